/**
 * Gives the memory behind `bytes` back now, together with all else in the same ArrayBuffer, which must have no other user.
 * Left to the garbage collector, dozens of large buffers pile up before it looks, and it looks all the time because of them.
 */
export function freeMemory(bytes: Uint8Array): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}
