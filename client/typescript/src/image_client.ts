/** The service as one account sees it. */

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./api.js";
import { ApiError, expectData } from "./api_error.js";
import type { Credentials } from "./credentials.js";
import { iterateItems } from "./item_pages.js";
import { fetchWithRetries } from "./retry.js";
import { TusUpload } from "./tus_upload.js";

export type Image = components["schemas"]["ImageRead"];
type BulkResult = components["schemas"]["BulkResult"];

// Smaller files are sent again in the time of the additional requests.
const MIN_RESUMABLE_BYTES = 8 * 1024 * 1024;
const PAGE_ITEMS = 100;

export interface UploadOptions {
  tags?: readonly string[];
  visibility?: "public" | "private";
  /** Number a name in use, instead of an error. */
  rename?: boolean;
  /** Send the file by a resumable upload; by default, above 8 MiB. */
  resumable?: boolean;
  /** Receives the number of bytes that the server has of a resumable upload. */
  progress?: (bytes: number) => void;
}

export class ImageClient {
  /** All operations, with the same credentials and repetitions. */
  readonly api: Client<paths>;
  private readonly baseUrl: string;

  /** Without credentials, the client sees public images only. */
  constructor(
    baseUrl: string,
    private readonly credentials?: Credentials,
  ) {
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.api = createClient<paths>({
      baseUrl: this.baseUrl,
      fetch: (request) => fetchWithRetries(request, (one) => this.signAndSend(one)),
    });
  }

  /** Yield all images that match, page by page. Throws ApiError, for example for a query that does not parse. */
  search(query = "", sort = "-created"): AsyncGenerator<Image> {
    return iterateItems(async (cursor) => {
      const parameters = { q: query, sort, limit: PAGE_ITEMS, ...(cursor ? { cursor } : {}) };
      return expectData(await this.api.GET("/v1/images", { params: { query: parameters } }));
    });
  }

  async getImage(id: string): Promise<Image> {
    return expectData(await this.api.GET("/v1/images/{image_id}", { params: { path: { image_id: id } } }));
  }

  /** Add and remove tags of the images that match and that the account may change. */
  async tag(query: string, change: { add?: string[]; remove?: string[]; dry_run?: boolean }): Promise<BulkResult> {
    const body = { q: query, add: [], remove: [], dry_run: false, ...change };
    return expectData(await this.api.POST("/v1/images/tags", { body }));
  }

  /** Return the file of an image. */
  async download(id: string): Promise<Blob> {
    const request = new Request(`${this.baseUrl}/v1/images/${id}/content`);
    const response = await fetchWithRetries(request, (one) => this.signAndSend(one));
    if (!response.ok) {
      throw await ApiError.of(response);
    }
    return response.blob();
  }

  /** Upload a file and return its image. */
  async upload(file: File, options: UploadOptions = {}): Promise<Image> {
    const fields = {
      visibility: options.visibility ?? "public",
      on_conflict: options.rename ? "rename" : "error",
      ...(options.tags?.length ? { tags: options.tags.join(",") } : {}),
    };
    if (options.resumable ?? file.size > MIN_RESUMABLE_BYTES) {
      const declarations = { filename: file.name, modified: String(file.lastModified), ...fields };
      const send = (path: string, init: RequestInit): Promise<Response> =>
        this.signAndSend(new Request(this.baseUrl + path, init));
      return this.getImage(await new TusUpload(send, file, declarations, options.progress).run());
    }
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) {
      form.append(name, value);
    }
    form.append("image", file);
    const request = new Request(`${this.baseUrl}/v1/images`, {
      method: "POST",
      body: form,
      // A repeated request returns the image of the first one.
      headers: { "Idempotency-Key": crypto.randomUUID() },
    });
    const response = await fetchWithRetries(request, (one) => this.signAndSend(one));
    if (!response.ok) {
      throw await ApiError.of(response);
    }
    return (await response.json()) as Image;
  }

  /** Send a request with the token, and once more with a new one if the service refuses it. */
  private async signAndSend(request: Request): Promise<Response> {
    if (!this.credentials) {
      return fetch(request);
    }
    const token = await this.credentials(this.baseUrl);
    request.headers.set("Authorization", `Bearer ${token}`);
    const again = request.clone();
    const response = await fetch(request);
    if (response.status !== 401) {
      return response;
    }
    const renewed = await this.credentials(this.baseUrl, token);
    if (renewed === token) {
      return response;
    }
    await response.body?.cancel();
    again.headers.set("Authorization", `Bearer ${renewed}`);
    return fetch(again);
  }
}
