// The tour of the README, by a client whose types are generated from /-/openapi.json.

import { readFile } from "node:fs/promises";
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const { POSTLET_URL: baseUrl, POSTLET_TOKEN: token, POSTLET_FILE: file } = process.env;
assert(baseUrl && token && file);
const { GET, POST, PATCH, PUT, DELETE } = createClient<paths>({
  baseUrl,
  headers: { authorization: `Bearer ${token}` },
});
type Problem = components["schemas"]["Problem"];

function good<T>(answer: { data?: T; error?: Problem; response: Response }): T {
  assert(answer.data !== undefined, `${answer.response.status} ${answer.error?.detail}`);
  return answer.data;
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 240; tries += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error(`${what} did not come`);
}

const anna = { path: { account: "anna" } };
const bob = { path: { account: "bob" } };

// Send JSON, and read the state of the submission.
const draft: components["schemas"]["Draft"] = {
  to: [{ name: "Bob", email: "bob@mailroom.test" }], subject: "Grüße 你好", text: "Hello", html: "<p>Hello</p>",
};
const once = { ...anna, header: { "Idempotency-Key": "tour-1" } };
const { submissionId } = good(await POST("/v1/accounts/{account}/send", { params: once, body: draft }));
const again = good(await POST("/v1/accounts/{account}/send", { params: once, body: draft }));
assert.equal(again.submissionId, submissionId);
await until("the verdict", async () => {
  const path = { account: "anna", submission: submissionId };
  const found = good(await GET("/v1/accounts/{account}/submissions/{submission}", { params: { path } }));
  return found.recipients.every((one) => one.state === "sent") ? found : undefined;
});

// Send a form with a file.
const licence = await readFile(file);
const form: components["schemas"]["DraftForm"] = {
  to: ["bob@mailroom.test"], subject: "The licence", text: "Attached.",
};
good(await POST("/v1/accounts/{account}/send", {
  params: anna,
  headers: { "content-type": null },
  body: form,
  bodySerializer: () => {
    const data = new FormData();
    for (const to of form.to ?? []) data.append("to", to);
    data.append("subject", form.subject ?? "");
    data.append("text", form.text ?? "");
    data.append("attachment", new Blob([new Uint8Array(licence)]), "LICENSE");
    return data;
  },
}));

// List, page by page.
const list = async (cursor?: string) => good(await GET("/v1/accounts/{account}/messages", {
  params: { ...bob, query: { limit: 1, ...(cursor ? { cursor } : {}) } },
}));
const next = await until("both messages", async () => (await list()).nextCursor ?? undefined);
const older = (await list(next)).messages[0];
const newest = (await list()).messages[0];
assert.notEqual(older?.id, newest?.id);
assert(newest?.id);
const message = newest.subject === "The licence" ? newest.id : older?.id;
assert(message);

// Fetch: JSON, text, an attachment, the bytes.
const one = { path: { account: "bob", message } };
const whole = good(await GET("/v1/accounts/{account}/messages/{message}", { params: one }));
// It would be text if that were requested.
assert(typeof whole === "object");
assert.equal(whole.subject, "The licence");
const text = await GET("/v1/accounts/{account}/messages/{message}", {
  params: one, headers: { accept: "text/plain" }, parseAs: "text",
});
assert.match(String(text.data), /Attached\./);
const number = whole.attachments?.[0]?.number;
assert(number);
const attachment = await GET("/v1/accounts/{account}/messages/{message}/attachments/{n}", {
  params: { path: { ...one.path, n: String(number) } }, parseAs: "arrayBuffer",
});
assert(licence.equals(Buffer.from(attachment.data as ArrayBuffer)));
const raw = await GET("/v1/accounts/{account}/messages/{message}/raw", { params: one, parseAs: "text" });
const start = await GET("/v1/accounts/{account}/messages/{message}/raw", {
  params: { ...one, header: { Range: "bytes=0-7" } }, parseAs: "text",
});
assert.equal(start.data, String(raw.data).slice(0, 8));
assert.match(String(raw.data), /^Subject: The licence/m);

// Flag, move, delete: to the trash, and then permanently.
const flags = { add: ["\\Seen", "\\Flagged"] };
const flagged = good(await PATCH("/v1/accounts/{account}/messages/{message}", { params: one, body: { flags } }));
assert(flagged.flags?.includes("\\Flagged"));
const moved = good(await POST("/v1/accounts/{account}/messages/{message}/move", {
  params: one, body: { mailbox: "\\Archive" },
}));
assert(moved.id);
const trashed = good(await DELETE("/v1/accounts/{account}/messages/{message}", {
  params: { path: { account: "bob", message: moved.id } },
}));
assert(trashed.id);
const gone = await DELETE("/v1/accounts/{account}/messages/{message}", {
  params: { path: { account: "bob", message: trashed.id }, query: { permanent: true } },
});
assert.equal(gone.response.status, 204);

// Mailboxes, services, accounts.
const { mailboxes } = good(await GET("/v1/accounts/{account}/mailboxes", {
  params: { ...bob, query: { counters: true } },
}));
assert(mailboxes.some((mailbox) => mailbox.role === "\\Archive"));
const asked = good(await GET("/v1/providers", { params: { query: { email: "you@qq.com" } } }));
assert.equal(asked.imap?.host, "imap.qq.com");
const known = good(await GET("/v1/providers/{domain}", { params: { path: { domain: "gmail.com" } } }));
assert.equal(known.smtp?.host, "smtp.gmail.com");
const { accounts } = good(await GET("/v1/accounts"));
assert.deepEqual(accounts.map((account) => account.id).sort(), ["anna", "bob"]);
const trial = good(await POST("/v1/accounts/{account}/test", { params: anna }));
assert(trial.ok && trial.mailbox === "INBOX" && trial.removed, JSON.stringify(trial));

// Beyond the tour: a merge patch, identities, and a refusal.
const changed = good(await PATCH("/v1/accounts/{account}", {
  params: anna, headers: { "content-type": "application/merge-patch+json" }, body: { name: "Anna" },
}));
assert.equal(changed.name, "Anna");
const identities = good(await PUT("/v1/accounts/{account}/identities", {
  params: anna, body: { identities: [{ name: null, email: "anna@mailroom.test" }] },
}));
assert.equal(identities.identities[0]?.email, "anna@mailroom.test");
const refused = await GET("/v1/accounts/{account}", { params: { path: { account: "nobody" } } });
assert.equal(refused.error?.code, "no-such-account");
console.log("the tour is made");
