/**
 * Facts of Azure's published API description, for the operations that are used. Source: Azure/azure-rest-api-specs,
 * specification/compute/resource-manager/Microsoft.Compute: DiskRP/stable/2023-10-02 (disk.json, snapshot.json,
 * diskRPCommon.json), ComputeRP/stable/2024-07-01 (computeRPCommon, virtualMachine.json and its example
 * VirtualMachine_AttachDetachDataDisks); Microsoft.Authorization 2022-04-01 (permissions).
 */
import type { Operation, Shape } from "./check.ts";

const creationData: Shape = {
  "createOption!": true,
  storageAccountId: true,
  sourceUri: true,
  sourceResourceId: true,
  uploadSizeBytes: true,
  logicalSectorSize: true,
  performancePlus: true,
  provisionedBandwidthCopySpeed: true,
};
const group = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";
const compute = `${group}/providers/Microsoft.Compute`;
const disk = { query: ["api-version"], requiredQuery: { "api-version": "2023-10-02" } };
const settable: Shape = {
  "creationData!": creationData,
  diskSizeGB: true,
  osType: true,
  networkAccessPolicy: true,
  publicNetworkAccess: true,
};

export const azureOperations: readonly Operation[] = [
  {
    id: "Snapshots_CreateOrUpdate",
    method: "PUT",
    path: `${compute}/snapshots/{name}`,
    ...disk,
    body: {
      "location!": true,
      tags: "map",
      sku: { name: true },
      "properties!": { ...settable, incremental: true },
    },
  },
  { id: "Snapshots_Get", method: "GET", path: `${compute}/snapshots/{name}`, ...disk },
  { id: "Snapshots_Delete", method: "DELETE", path: `${compute}/snapshots/{name}`, ...disk },
  {
    id: "Snapshots_ListByResourceGroup",
    method: "GET",
    path: `${compute}/snapshots`,
    query: ["api-version", "$skiptoken"],
  },
  {
    id: "Disks_CreateOrUpdate",
    method: "PUT",
    path: `${compute}/disks/{name}`,
    ...disk,
    body: {
      "location!": true,
      tags: "map",
      zones: [true],
      sku: { name: true },
      "properties!": { ...settable, diskIOPSReadWrite: true, diskMBpsReadWrite: true },
    },
  },
  {
    id: "Disks_Update",
    method: "PATCH",
    path: `${compute}/disks/{name}`,
    ...disk,
    body: { tags: "map", sku: { name: true } },
  },
  { id: "Disks_Get", method: "GET", path: `${compute}/disks/{name}`, ...disk },
  { id: "Disks_Delete", method: "DELETE", path: `${compute}/disks/{name}`, ...disk },
  { id: "Disks_ListByResourceGroup", method: "GET", path: `${compute}/disks`, ...disk },
  {
    id: "VirtualMachines_AttachDetachDataDisks",
    method: "POST",
    path: `${compute}/virtualMachines/{vmName}/attachDetachDataDisks`,
    query: ["api-version"],
    requiredQuery: { "api-version": "2024-07-01" },
    body: {
      dataDisksToAttach: [
        {
          "diskId!": true,
          lun: true,
          caching: true,
          deleteOption: true,
          diskEncryptionSet: { id: true },
          writeAcceleratorEnabled: true,
        },
      ],
      dataDisksToDetach: [{ "diskId!": true, detachOption: true }],
    },
  },
  {
    id: "Permissions_ListForResourceGroup",
    method: "GET",
    path: `${group}/providers/Microsoft.Authorization/permissions`,
    query: ["api-version"],
    requiredQuery: { "api-version": "2022-04-01" },
  },
];
