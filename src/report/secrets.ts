/**
 * Keeps credentials out of everything this program writes. Known secrets (from the environment and from URLs) are
 * masked in the runner too; what only looks like one (a signature in a URL, an Authorization header) is blanked by its
 * form. Works on text on its way out, so no other module has to think of it.
 */

type Environment = Readonly<Record<string, string | undefined>>;

const shown = "***";
/** Shorter texts would blank half of every log. */
const shortestSecret = 6;

const secretName =
  /SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PRIVATE_?KEY|ACCOUNT_?KEY|STORAGE_?KEY|SAS|CONNECTION_STRING|API_?KEY|CREDENTIALS?$|(?:^|_)(?:PAT|AUTH)$|AUTH_CONFIG$/i;
/** Where a secret is kept is no secret. */
const placeName = /_(FILE|PATH|DIR|URL|URI|NAME|ENDPOINT)$/i;
/** Credentials as JSON: what stands there beside them is known to everybody, and would blank half of every log. */
const publicKey = /^(type|project_id|universe_domain|quota_project_id|client_id|token_type)$|_(url|uri)$/i;
/** `GOOGLE_APPLICATION_CREDENTIALS` names a file; other credentials are secrets that may begin with a slash. */
const fileOrSecret = /_CREDENTIALS$/i;
const secretParameter =
  /^(x-amz-(signature|security-token|credential)|x-goog-(signature|credential)|sig|signature|token|access_token|password|awsaccesskeyid|policy)$/i;

/** Every credential that can be recognised in the environment: by a variable's name, or inside a URL. */
export function secretsIn(environment: Environment): readonly string[] {
  const found = new Set<string>();
  const add = (secret: string): void => {
    for (const line of secret.split("\n")) {
      const text = line.trim();
      if (text.length >= shortestSecret) found.add(text);
    }
  };
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === "") continue;
    add(privateKeysIn(value));
    if (secretName.test(name) && !placeName.test(name)) {
      const values = valuesInJson(value);
      if (values !== undefined) for (const secret of values) add(secret);
      else if (!fileOrSecret.test(name) || !value.startsWith("/")) add(value);
    }
    for (const secret of secretsInUrls(value)) add(secret);
    for (const [, key] of value.matchAll(/\b(?:AccountKey|SharedAccessSignature)=([^;\s]+)/g)) add(key ?? "");
  }
  return [...found];
}

/** The lines of private keys, whatever the variable is called: an input, or one of the job's. Also of one in a single line, with `\n`. */
function privateKeysIn(text: string): string {
  const keys = text.matchAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]*)/g);
  return [...keys].map(([, lines = ""]) => lines.replaceAll(String.raw`\n`, "\n")).join("\n");
}

/** The texts of a JSON object, as they are and as they stand in it; undefined for what is none. */
function valuesInJson(text: string): readonly string[] | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const found: string[] = [];
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const each = pending.pop();
    if (typeof each !== "object" || each === null) continue;
    for (const [key, inner] of Object.entries(each)) {
      if (typeof inner === "object") pending.push(inner);
      else if (typeof inner === "string" && !publicKey.test(key)) {
        found.push(inner, JSON.stringify(inner).slice(1, -1));
      }
    }
  }
  return found;
}

/** Passwords and signatures in the URLs of a text, as written and decoded. */
export function secretsInUrls(text: string): readonly string[] {
  const found: string[] = [];
  for (const [candidate] of text.matchAll(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi)) {
    if (!URL.canParse(candidate)) continue;
    const url = new URL(candidate);
    if (url.password !== "") found.push(url.password, decoded(url.password));
    for (const [, name = "", raw = ""] of url.search.matchAll(/[?&]([^=&]+)=([^&]*)/g)) {
      if (secretParameter.test(name)) found.push(raw, decoded(raw));
    }
  }
  return found.filter((secret) => secret.length >= shortestSecret);
}

export type Redact = (text: string) => string;

/** Makes the function that every text passes through before it is written. */
export function createRedactor(secrets: readonly string[]): Redact {
  const longestFirst = [...new Set(secrets)]
    .filter((secret) => secret.length >= shortestSecret)
    .sort((a, b) => b.length - a.length);
  return (text) => {
    const withoutKnown = longestFirst.reduce((rest, secret) => rest.replaceAll(secret, shown), text);
    return withoutKnown
      .replace(/(:\/\/[^/\s:@"']*):[^/\s@"']+@/g, `$1:${shown}@`)
      .replace(
        /([?&](?:x-amz-(?:signature|security-token|credential)|x-goog-(?:signature|credential)|sig|signature|token|access_token|password)=)[^&\s"'<>]+/gi,
        `$1${shown}`,
      )
      .replace(/\b(authorization["']?\s*[:=]\s*["']?)(?:(bearer|basic)\s+)?[^\s"',]+/gi, `$1${shown}`);
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
