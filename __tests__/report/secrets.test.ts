import { expect, test } from "vitest";
import { createRedactor, secretsIn } from "../../src/report/secrets.ts";

test("secrets are found by name and inside URLs, places are not", () => {
  const found = secretsIn({
    AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG",
    AWS_SESSION_TOKEN: "FwoGZXIvYXdzE",
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/secrets/token",
    ACTIONS_ID_TOKEN_REQUEST_URL: "https://token.example/id",
    GOOGLE_APPLICATION_CREDENTIALS: "/home/runner/key.json",
    AZURE_STORAGE_CONNECTION_STRING: "AccountName=a;AccountKey=Eby8vdM02xNOcqFlq==;EndpointSuffix=x",
    INPUT_SNAPSHOT: "https://me:p%40ssw0rd@host/x.tar.zst?X-Amz-Signature=deadbeef00",
    SHORT_TOKEN: "true",
    HOME: "/root",
  });
  expect(found).toContain("wJalrXUtnFEMI/K7MDENG");
  expect(found).toContain("FwoGZXIvYXdzE");
  expect(found).toContain("Eby8vdM02xNOcqFlq==");
  expect(found).toContain("p@ssw0rd");
  expect(found).toContain("p%40ssw0rd");
  expect(found).toContain("deadbeef00");
  for (const place of [
    "AKIAIOSFODNN7EXAMPLE",
    "/var/run/secrets/token",
    "https://token.example/id",
    "true",
    "/root",
  ]) {
    expect(found).not.toContain(place);
  }
  expect(found).not.toContain("/home/runner/key.json");
});

test("secrets that look like paths, tokens by other names, and credentials as JSON are found", () => {
  const key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n";
  const found = secretsIn({
    AWS_SECRET_ACCESS_KEY: "/bPxRfiCYEXAMPLEKEY+abc/",
    GH_PAT: "ghp_abcdefgh",
    REGISTRY_AUTH: "dXNlcjpwYXNz",
    GOOGLE_CREDENTIALS: JSON.stringify({
      type: "service_account",
      project_id: "my-project",
      private_key_id: "0123456789abcdef",
      private_key: key,
      token_uri: "https://oauth2.googleapis.com/token",
      source: { headers: { Authorization: "Bearer nested-one" } },
    }),
    GCP_CREDENTIALS: "/home/runner/key.json",
    SSH_AUTH_SOCK: "/run/agent.sock",
  });
  for (const secret of [
    "/bPxRfiCYEXAMPLEKEY+abc/",
    "ghp_abcdefgh",
    "dXNlcjpwYXNz",
    "0123456789abcdef",
    "MIIEvQIBADANBg",
    JSON.stringify(key).slice(1, -1),
    "Bearer nested-one",
  ]) {
    expect(found).toContain(secret);
  }
  for (const known of [
    "service_account",
    "my-project",
    "https://oauth2.googleapis.com/token",
    "/home/runner/key.json",
    "/run/agent.sock",
  ]) {
    expect(found).not.toContain(known);
  }
});

test("private keys are found whatever the variable is called, in one line too", () => {
  const key =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAAtail==\n-----END OPENSSH PRIVATE KEY-----\n";
  const lines = ["b3BlbnNzaC1rZXk", "AAAAtail=="];
  expect(secretsIn({ "INPUT_SIGN-KEY": key })).toEqual(lines);
  expect(secretsIn({ WHATEVER: key.replaceAll("\n", "\\n") })).toEqual(lines);
});

test("texts lose known secrets, the longer one first, and what looks like one", () => {
  const redact = createRedactor(["secret-1", "secret-1-and-more", "abc"]);
  expect(redact("x secret-1-and-more y secret-1 abc")).toBe("x *** y *** abc");
  expect(redact("see https://me:hunter22@h/x")).toBe("see https://me:***@h/x");
  expect(redact("GET https://b/x?a=1&X-Amz-Signature=f00&X-Amz-Security-Token=t&b=2")).toBe(
    "GET https://b/x?a=1&X-Amz-Signature=***&X-Amz-Security-Token=***&b=2",
  );
  expect(redact("https://a.blob/x?sv=2&sig=q%2F")).toBe("https://a.blob/x?sv=2&sig=***");
  expect(redact("authorization: Bearer eyJhbGciOi.x")).toBe("authorization: ***");
  expect(redact("nothing to see: a@b.c at 12:30")).toBe("nothing to see: a@b.c at 12:30");
});
