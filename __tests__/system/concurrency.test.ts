import { expect, it, describe } from "vitest";
import { inOrder, Limiter } from "../../src/system/concurrency.ts";

/** A piece of work that ends when it is told to. */
function piece<T = void>() {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let begun = 0;
  return {
    resolve,
    reject,
    begun: () => begun,
    work: async (): Promise<T> => {
      begun += 1;
      return await promise;
    },
  };
}

const turns = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));
const failure = new Error("the first");

describe("a limiter", () => {
  it("begins so many pieces at once and the next when one ends", async () => {
    const limiter = new Limiter({ count: 2 });
    const [a, b, c] = [piece(), piece(), piece()];
    await limiter.add(a.work);
    await limiter.add(b.work);
    const third = limiter.add(c.work);
    await turns();
    expect([a, b, c].map((one) => one.begun())).toEqual([1, 1, 0]);
    b.resolve();
    await third;
    expect(c.begun()).toBe(1);
    a.resolve();
    c.resolve();
    await limiter.drain();
  });

  it("keeps to a weight, and lets a heavier piece go alone", async () => {
    const limiter = new Limiter({ count: 9, weight: 10 });
    const [light, fits, heavy, last] = [piece(), piece(), piece(), piece()];
    await limiter.add(light.work, 6);
    await limiter.add(fits.work, 4);
    const alone = limiter.add(heavy.work, 25);
    light.resolve();
    await turns();
    expect(heavy.begun()).toBe(0);
    fits.resolve();
    await alone;
    const after = limiter.add(last.work, 1);
    await turns();
    expect([heavy.begun(), last.begun()]).toEqual([1, 0]);
    heavy.resolve();
    await after;
    last.resolve();
    await limiter.drain();
  });

  it("begins pieces in the order of the calls, a light one not before a heavy one", async () => {
    const limiter = new Limiter({ count: 9, weight: 10 });
    const [first, heavy, light] = [piece(), piece(), piece()];
    await limiter.add(first.work, 5);
    const adding = [limiter.add(heavy.work, 9), limiter.add(light.work, 1)];
    await turns();
    expect([heavy.begun(), light.begun()]).toEqual([0, 0]);
    first.resolve();
    await Promise.all(adding);
    heavy.resolve();
    light.resolve();
    await limiter.drain();
  });

  it.each([0, 1, 2, 3, 4, 5])(
    "throws a failure at once of piece %i of six, wherever the next wait is",
    async (at) => {
      for (const count of [1, 2, 6, 9]) {
        const limiter = new Limiter({ count });
        const run = async (): Promise<void> => {
          for (let number = 0; number < 6; number += 1) {
            await limiter.add(async () => {
              if (number === at) throw failure;
            });
            await turns();
          }
          await limiter.drain();
        };
        await expect(run()).rejects.toBe(failure);
      }
    },
  );

  it("throws the first failure to those who wait and to all that come, and begins nothing more", async () => {
    const limiter = new Limiter({ count: 2 });
    const [bad, slow, never] = [piece(), piece(), piece()];
    await limiter.add(bad.work);
    await limiter.add(slow.work);
    const waiting = limiter.add(never.work);
    bad.reject(failure);
    await expect(waiting).rejects.toBe(failure);
    slow.reject(new Error("the second"));
    await limiter.idle();
    await expect(limiter.add(never.work)).rejects.toBe(failure);
    await expect(limiter.drain()).rejects.toBe(failure);
    expect(never.begun()).toBe(0);
  });

  it("takes work that throws instead of returning a promise for a failure", async () => {
    const limiter = new Limiter({ count: 1 });
    await limiter.add(() => {
      throw failure;
    });
    await expect(limiter.drain()).rejects.toBe(failure);
  });

  it("drain does not wait for the others once one failed; idle does", async () => {
    const limiter = new Limiter({ count: 2 });
    const slow = piece();
    await limiter.add(slow.work);
    await limiter.add(async () => {
      throw failure;
    });
    await expect(limiter.drain()).rejects.toBe(failure);
    let idle = false;
    const waiting = limiter.idle().then(() => (idle = true));
    await turns();
    expect(idle).toBe(false);
    slow.resolve();
    await waiting;
  });

  it("stops waiting for space when its signal is aborted", async () => {
    const stop = new AbortController();
    const limiter = new Limiter({ count: 1, signal: stop.signal });
    const slow = piece();
    await limiter.add(slow.work);
    const waiting = limiter.add(slow.work);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    slow.resolve();
    await limiter.idle();
  });

  it("run gives the result, and its failure to the caller alone", async () => {
    const limiter = new Limiter({ count: 1 });
    expect(await limiter.run(async () => 7)).toBe(7);
    await expect(limiter.run(async () => Promise.reject(failure))).rejects.toBe(failure);
    await limiter.drain();
    expect(await limiter.run(async () => 8)).toBe(8);
  });
});

describe("in order", () => {
  it("gives the results in the order of the items, whatever ends first, and runs no further ahead than it may", async () => {
    const pieces = Array.from({ length: 5 }, () => piece<number>());
    const results = inOrder(pieces, 3, async (one) => one.work());
    const first = results.next();
    await turns();
    expect(pieces.map((one) => one.begun())).toEqual([1, 1, 1, 0, 0]);
    for (const [index, one] of [...pieces.entries()].toReversed()) one.resolve(index);
    expect(await first).toEqual({ done: false, value: 0 });
    const rest: number[] = [];
    for await (const result of results) rest.push(result);
    expect(rest).toEqual([1, 2, 3, 4]);
  });

  it.each([0, 1, 4])("throws the failure of item %i in its turn and leaves nothing under way", async (at) => {
    let underWay = 0;
    const seen: number[] = [];
    const all = async (): Promise<void> => {
      const results = inOrder([0, 1, 2, 3, 4], 2, async (item) => {
        underWay += 1;
        await turns();
        underWay -= 1;
        if (item === at) throw failure;
        return item;
      });
      for await (const result of results) seen.push(result);
    };
    await expect(all()).rejects.toBe(failure);
    expect(seen).toEqual([0, 1, 2, 3, 4].slice(0, at));
    expect(underWay).toBe(0);
  });
});
