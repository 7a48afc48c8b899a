/**
 * Uploads one file by tus 1.0.0, and continues after broken connections and restarts of the server.
 *
 * The server keeps the state. An upload in progress with the same `Upload-Metadata` is continued, also by another page or
 * process: the field has all options, and the time of the file's last change.
 */

import { ApiError } from "./api_error.js";
import { secondsToWait, wait } from "./retry.js";

// `fetch` of browsers does not report progress within a request.
const CHUNK_BYTES = 4 * 1024 * 1024;
// The limit of the attempts without a new byte.
const MAX_FAILURES = 10;
const MAX_WAIT_SECONDS = 30;
const FIRST_WAIT_SECONDS = 0.5;
const TUS = { "Tus-Resumable": "1.0.0" };
// A proxy responds with 502 and 504 during a restart of the server.
const BUSY = new Set([408, 429, 502, 503, 504]);
const ENDED = new Set([404, 410]);
// The server has bytes of an earlier connection, or another client continues the same upload.
const CONTINUED = new Set(["mismatching-upload-offset", "append-superseded"]);

export type Send = (path: string, init: RequestInit) => Promise<Response>;

/** A response that an attempt cannot use. */
class Refused extends Error {
  constructor(
    readonly error: ApiError,
    readonly retryAfter: string | null,
  ) {
    super(error.message);
  }
}

export class TusUpload {
  private readonly metadata: string;
  private path: string | undefined;
  private offset = 0;
  private failures = 0;
  private hasStartedAgain = false;

  /** `send` signs the request and sends it once. `progress` receives the number of bytes that the server has. */
  constructor(
    private readonly send: Send,
    private readonly file: Blob,
    declarations: Readonly<Record<string, string>>,
    private readonly progress?: (bytes: number) => void,
  ) {
    this.metadata = Object.entries(declarations)
      .map(([key, text]) => `${key} ${toBase64(text)}`)
      .join(",");
  }

  /** Upload the file and return the id of its image. Throws ApiError, or the error of `fetch`. */
  async run(): Promise<string> {
    for (;;) {
      try {
        return await this.attempt();
      } catch (error) {
        await this.recover(error);
      }
    }
  }

  private async attempt(): Promise<string> {
    this.path ??= await this.find();
    if (this.path === undefined) {
      const created = await this.create();
      if (created !== undefined) {
        return created;
      }
    }
    const state = await this.request("", { method: "HEAD" });
    // The image exists if the response to the last bytes was lost.
    let image = lastSegment(state, "Content-Location");
    let offset = Number(state.headers.get("Upload-Offset"));
    while (image === undefined) {
      this.record(offset);
      const response = await this.request("", {
        method: "PATCH",
        headers: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
        body: this.file.slice(offset, offset + CHUNK_BYTES),
      });
      image = lastSegment(response, "Content-Location");
      offset = Number(response.headers.get("Upload-Offset"));
    }
    this.record(this.file.size);
    return image;
  }

  /** Return the path of the upload in progress that has this file and these declarations. */
  private async find(): Promise<string | undefined> {
    const response = await this.request("/v1/uploads", { method: "GET" });
    const { items } = (await response.json()) as { items: { id: string; length: number | null }[] };
    for (const item of items.filter(({ length }) => length === this.file.size)) {
      const path = `/v1/uploads/${item.id}`;
      const state = await this.send(path, { method: "HEAD", headers: TUS });
      if (state.ok && state.headers.get("Upload-Metadata") === this.metadata) {
        return path;
      }
    }
    return undefined;
  }

  /** Create an upload. Return the id of the image if the server has one with these bytes. */
  private async create(): Promise<string | undefined> {
    const headers = { "Upload-Length": String(this.file.size), "Upload-Metadata": this.metadata };
    const response = await this.request("/v1/uploads", { method: "POST", headers });
    this.path = `/v1/uploads/${lastSegment(response, "Location")}`;
    return lastSegment(response, "Content-Location");
  }

  private async request(path: string, init: RequestInit): Promise<Response> {
    const response = await this.send(path || this.path || "", { ...init, headers: { ...TUS, ...init.headers } });
    if (!response.ok) {
      throw new Refused(await ApiError.of(response), response.headers.get("Retry-After"));
    }
    return response;
  }

  private record(offset: number): void {
    if (offset > this.offset) {
      this.offset = offset;
      this.failures = 0;
    }
    this.progress?.(offset);
  }

  /** Wait before the next attempt. Throws the error if there is none. */
  private async recover(error: unknown): Promise<void> {
    // `fetch` throws TypeError for a broken connection.
    const refused = error instanceof Refused ? error.error : undefined;
    if (refused && ENDED.has(refused.status) && this.path !== undefined && !this.hasStartedAgain) {
      this.hasStartedAgain = true;
      this.path = undefined;
      return;
    }
    const isTransient = refused
      ? BUSY.has(refused.status) || CONTINUED.has(refused.slug ?? "")
      : error instanceof TypeError;
    this.failures += 1;
    if (!isTransient || this.failures >= MAX_FAILURES) {
      throw refused ?? error;
    }
    const retryAfter = error instanceof Refused ? error.retryAfter : null;
    const backoff = Math.min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (this.failures - 1));
    await wait(retryAfter === null ? backoff : secondsToWait(retryAfter));
  }
}

/** Return the id at the end of a path, which begins with the path of PUBLIC_URL. */
function lastSegment(response: Response, name: string): string | undefined {
  return response.headers.get(name)?.split("/").at(-1);
}

function toBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
