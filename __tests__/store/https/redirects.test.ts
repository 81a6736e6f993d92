/** Which addresses a server may send a reader on to. */
import { expect, test } from "vitest";
import { lookupAfter, reasonAgainst } from "../../../src/store/https/redirects.ts";

const outside = "203.0.113.7";
const inside = "10.1.2.3";

test.each([
  [outside, outside, undefined],
  [outside, "2001:db8::1", undefined],
  [inside, "192.168.1.1", undefined],
  [inside, outside, undefined],
  [outside, inside, "a private address"],
  [outside, "127.0.0.1", "a private address"],
  [outside, "::1", "a private address"],
  [outside, "fd12::1", "a private address"],
  [outside, "::ffff:10.0.0.1", "a private address"],
  [undefined, inside, "a private address"],
  [outside, "169.254.169.254", "a link-local address"],
  [inside, "169.254.169.254", "a link-local address"],
  [inside, "fd00:ec2::254", "a link-local address"],
  [inside, "fe80::1", "a link-local address"],
])("from %s to %s: %s", (from, to, reason) => {
  expect(reasonAgainst(from, to)).toBe(reason);
});

test("a name is looked at by what it means when it is connected to", async () => {
  const look = async (from: string): Promise<unknown> =>
    await new Promise((resolve) => {
      lookupAfter(from, "https://h/x")("localhost", { all: true }, (error, found) => resolve(error ?? found));
    });
  expect(await look(outside)).toMatchObject({ code: "STORE_REDIRECT_REFUSED" });
  expect(await look(inside)).toContainEqual(expect.objectContaining({ address: "127.0.0.1" }));
});
