/**
 * Facts of Google's published discovery document of compute v1, for the operations that are used: paths, query
 * parameters, and fields of the schemas Snapshot, Disk, AttachedDisk, ZoneSetLabelsRequest and TestPermissionsRequest
 * that are not output only. Source: https://compute.googleapis.com/$discovery/rest?version=v1.
 */
import type { Operation } from "./check.ts";

const disks = "projects/{project}/zones/{zone}/disks";
const instances = "projects/{project}/zones/{zone}/instances";
const snapshots = "projects/{project}/global/snapshots";
const list = ["filter", "maxResults", "orderBy", "pageToken", "returnPartialSuccess"];

export const googleOperations: readonly Operation[] = [
  {
    id: "disks.createSnapshot",
    method: "POST",
    path: `${disks}/{disk}/createSnapshot`,
    query: ["guestFlush", "requestId"],
    body: {
      name: true,
      description: true,
      labels: "map",
      storageLocations: [true],
      chainName: true,
      snapshotType: true,
    },
  },
  { id: "disks.get", method: "GET", path: `${disks}/{disk}`, query: [] },
  { id: "disks.list", method: "GET", path: disks, query: list },
  { id: "disks.delete", method: "DELETE", path: `${disks}/{disk}`, query: ["requestId"] },
  {
    id: "disks.insert",
    method: "POST",
    path: disks,
    query: ["requestId", "sourceImage"],
    body: {
      name: true,
      description: true,
      labels: "map",
      sizeGb: true,
      type: true,
      sourceSnapshot: true,
      provisionedIops: true,
      provisionedThroughput: true,
    },
  },
  {
    id: "disks.setLabels",
    method: "POST",
    path: `${disks}/{resource}/setLabels`,
    query: ["requestId"],
    body: { labels: "map", labelFingerprint: true },
  },
  {
    id: "disks.testIamPermissions",
    method: "POST",
    path: `${disks}/{resource}/testIamPermissions`,
    query: [],
    body: { permissions: [true] },
  },
  { id: "instances.get", method: "GET", path: `${instances}/{instance}`, query: ["view"] },
  {
    id: "instances.attachDisk",
    method: "POST",
    path: `${instances}/{instance}/attachDisk`,
    query: ["forceAttach", "requestId"],
    body: {
      source: true,
      deviceName: true,
      mode: true,
      autoDelete: true,
      boot: true,
      interface: true,
      type: true,
    },
  },
  {
    id: "instances.detachDisk",
    method: "POST",
    path: `${instances}/{instance}/detachDisk`,
    query: ["deviceName", "requestId"],
  },
  { id: "snapshots.get", method: "GET", path: `${snapshots}/{snapshot}`, query: [] },
  { id: "snapshots.list", method: "GET", path: snapshots, query: list },
  { id: "snapshots.delete", method: "DELETE", path: `${snapshots}/{snapshot}`, query: ["requestId"] },
  {
    id: "zoneOperations.get",
    method: "GET",
    path: "projects/{project}/zones/{zone}/operations/{operation}",
    query: [],
  },
  {
    id: "globalOperations.get",
    method: "GET",
    path: "projects/{project}/global/operations/{operation}",
    query: [],
  },
];
