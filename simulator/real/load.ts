/**
 * Work for a real node: calls that write twenty entries of a map each, from many accounts, one after the other. Runs until it is
 * told to stop; what a node refuses (a nonce that is known, a full mempool) is counted and gone on with.
 */
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Account } from "./transactions.ts";

const contract = `(define-map m uint (buff 512)) (define-data-var n uint u0)
(define-private (put (i uint) (b (buff 512))) (begin (map-set m (+ (var-get n) i) b) b))
(define-public (fill (b (buff 512))) (begin (fold put (list ${Array.from({ length: 20 }, (_, i) => `u${i}`).join(" ")}) b) (var-set n (+ (var-get n) u20)) (ok (var-get n))))`;
const contractName = "fill";
/** That may be in the mempool at once, of one account. */
const waiting = 20n;

export interface LoadOptions {
  readonly rpcUrl: string;
  /** Who pays: 32 bytes. */
  readonly funds: Buffer;
  readonly callsPerSecond: number;
  readonly accounts?: number;
  readonly signal: AbortSignal;
}

export interface Sent {
  readonly taken: number;
  readonly refused: number;
}

export async function runLoad(options: LoadOptions): Promise<Sent> {
  const { rpcUrl, signal, callsPerSecond } = options;
  const funds = new Account(options.funds);
  const accounts = Array.from(
    { length: options.accounts ?? 24 },
    (_, i) => new Account(createHash("sha256").update(`load-${i}`).digest()),
  );
  const [owner] = accounts;
  if (owner === undefined) throw new RangeError("no accounts");
  let [taken, refused] = [0, 0];
  const nonces = new Map<Account, bigint>();
  try {
    await pay(options, funds, accounts);
    if ((await accountOf(rpcUrl, owner)).nonce === 0n) {
      await send(rpcUrl, owner.deploy(contractName, contract, 0n));
      while ((await accountOf(rpcUrl, owner)).nonce === 0n) await pause(1_000, undefined, { signal });
    }
    for (let turn = 0; ; turn += 1) {
      const account = accounts[turn % accounts.length] ?? owner;
      // A node that is being restarted takes none meanwhile.
      const known = await accountOf(rpcUrl, account).catch(() => undefined);
      if (known !== undefined) {
        const nonce = [nonces.get(account) ?? 0n, known.nonce].reduce((a, b) => (a > b ? a : b));
        if (nonce - known.nonce < waiting) {
          const call = account.call({ by: owner, name: contractName }, "fill", randomBytes(512), nonce);
          const isTaken = await send(rpcUrl, call).catch(() => false);
          if (isTaken) taken += 1;
          else refused += 1;
          nonces.set(account, isTaken ? nonce + 1n : known.nonce);
        }
      }
      await pause(1000 / callsPerSecond, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return { taken, refused };
  }
}

async function pay(
  { rpcUrl, signal }: LoadOptions,
  funds: Account,
  accounts: readonly Account[],
): Promise<void> {
  let { nonce } = await accountOf(rpcUrl, funds);
  const poor: Account[] = [];
  for (const account of accounts)
    if ((await accountOf(rpcUrl, account)).balance < 100_000_000n) poor.push(account);
  for (const account of poor) {
    if (!(await send(rpcUrl, funds.transfer(account, 1_000_000_000_000n, nonce)))) continue;
    nonce += 1n;
  }
  for (const account of poor.slice(-1))
    while ((await accountOf(rpcUrl, account)).balance === 0n) await pause(1_000, undefined, { signal });
}

async function accountOf(
  rpcUrl: string,
  { address }: Account,
): Promise<{ readonly nonce: bigint; readonly balance: bigint }> {
  const response = await fetch(`${rpcUrl}/v2/accounts/${address}?proof=0`, {
    signal: AbortSignal.timeout(10_000),
  });
  const { nonce, balance } = (await response.json()) as { nonce: number; balance: string };
  return { nonce: BigInt(nonce), balance: BigInt(balance) };
}

/** False: the node does not take it. */
async function send(rpcUrl: string, transaction: Buffer): Promise<boolean> {
  const response = await fetch(`${rpcUrl}/v2/transactions`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: new Uint8Array(transaction),
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  return response.ok;
}
