/** A journey with the TypeScript client, compiled beside its sources. `node journey.js URL PROXY_URL EMAIL PASSWORD`. */

import { ApiError, expectData, ImageClient, iterateItems, passwordCredentials, tokenCredentials } from "./index.js";

declare const process: { argv: string[] };

const [, , url = "", proxyUrl = "", email = "", password = ""] = process.argv;

function check(condition: boolean, text: string): void {
  if (!condition) {
    throw new Error(text);
  }
}

async function refusal(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    return error instanceof ApiError ? error.slug : String(error);
  }
  return undefined;
}

const client = new ImageClient(url, passwordCredentials(email, password));

// A key of the account signs the requests through the proxy.
const { key } = expectData(
  await client.api.POST("/v1/users/me/api-keys", { body: { name: "journey", scopes: ["read", "write"] } }),
);
const slow = new ImageClient(proxyUrl, tokenCredentials(key));

// The test replaces both placeholders.
const photo = await (await fetch("data:image/png;base64,@SMALL@")).blob();
const image = await client.upload(new File([photo], "round trip.png"), { tags: ["round trip", "one"] });
check(image.tags.join() === "one,round trip", `tags: ${image.tags}`);
check((await client.getImage(image.id)).sha256 === image.sha256, "the image");
check((await (await client.download(image.id)).text()) === (await photo.text()), "the content");
const thumbnail = await client.api.GET("/v1/images/{image_id}/thumbnail", {
  params: { path: { image_id: image.id }, query: { size: 160 } },
  parseAs: "blob",
});
check(thumbnail.response.headers.get("Content-Type") === "image/webp", "the thumbnail");
check((await client.tag("one", { add: ["two"], remove: ["one"] })).changed === 1, "the change");

check((await refusal(client.upload(new File([photo], "round trip.png")))) === "name-taken", "the name");
check((await refusal(client.search("(cat").next())) === "invalid-query", "the query");
const stranger = new ImageClient(url, passwordCredentials(email, "wrong password"));
check((await refusal(stranger.search().next())) === "invalid-credentials", "the password");
check((await refusal(new ImageClient(url, tokenCredentials("wrong")).search().next())) === "invalid-token", "the token");

// The test cuts the connections of the proxy in the middle. The first response is 503.
const blob = await (await fetch(`${url}/v1/images/@LARGE@/content`)).blob();
const bytes = new Uint8Array(await blob.arrayBuffer());
const copy = new File([bytes, new Uint8Array(1)], "large.png");
const moves: number[] = [];
const large = await slow.upload(copy, { tags: ["two"], resumable: true, progress: (count) => moves.push(count) });
check(large.size === copy.size, `the size: ${large.size}`);
check(moves.at(-1) === copy.size, `the progress: ${moves}`);

const names: string[] = [];
const found = iterateItems(async (cursor) => {
  const query = { q: "two", sort: "name", limit: 1, ...(cursor ? { cursor } : {}) };
  return expectData(await client.api.GET("/v1/images", { params: { query } }));
});
for await (const one of found) {
  names.push(one.name);
}
check(names.join() === "large.png,round trip.png", `the pages: ${names}`);

// The session has ended, so the client signs in again.
await client.api.POST("/v1/auth/logout");
for await (const one of client.search("two")) {
  names.push(one.name);
}
check(names.length === 4, `the search: ${names}`);
console.log("the journey ended");
