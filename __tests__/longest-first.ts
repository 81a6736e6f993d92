/** Files that take minutes begin first: one that begins last is waited for by itself. The others as Vitest has them, the largest first. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

const long =
  /\/(?:e2e\/(?:restart|trusted|supervisors|supervisor-traps|ceph|volumes-btrfs)|node\/containers|commands\/(?:unattended|restore\/restore|snapshot\/snapshot))\.(?:testbed\.)?test\.ts$/u;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => long.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
