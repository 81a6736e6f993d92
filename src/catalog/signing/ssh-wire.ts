/** The wire format of SSH (RFC 4251, section 5): what keys, signatures and key files are made of. */

export function sshString(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes as Uint8Array);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

/** Reads from the beginning; a RangeError where the bytes end in the middle of something. */
export class SshReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  raw(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("it ends in the middle");
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  uint32(): number {
    return this.raw(4).readUInt32BE();
  }

  string(): Buffer {
    return this.raw(this.uint32());
  }

  text(): string {
    return this.string().toString("latin1");
  }

  rest(): Buffer {
    return this.raw(this.#bytes.length - this.#at);
  }
}

/** What stands between two lines such as `-----BEGIN SSH SIGNATURE-----`, decoded; undefined for anything else. */
export function unarmored(text: string, label: string): Buffer | undefined {
  const [, base64] =
    new RegExp(`^\\s*-----BEGIN ${label}-----\\r?\\n([A-Za-z0-9+/=\\s]+?)-----END ${label}-----\\s*$`).exec(
      text,
    ) ?? [];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}

/** As `ssh-keygen` writes it: 70 characters a line. */
export function armored(bytes: Uint8Array, label: string): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,70}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
