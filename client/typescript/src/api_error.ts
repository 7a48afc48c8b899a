/** The error of a request that the service refuses, from its problem document (RFC 9457). */

/** `slug` is the last part of the problem's type, such as `name-taken`. `problem` has all members of the document. */
export class ApiError extends Error {
  readonly slug: string | undefined;

  constructor(
    readonly status: number,
    readonly problem: Readonly<Record<string, unknown>> = {},
  ) {
    super(typeof problem.detail === "string" ? problem.detail : `The server responded with status ${status}.`);
    this.name = "ApiError";
    // A type that IANA registers has the name after `#`.
    this.slug = typeof problem.type === "string" ? problem.type.split(/[/#]/).at(-1) : undefined;
  }

  /** Return the error of a response whose body was not read. A page of a proxy is no problem document. */
  static async of(response: Response): Promise<ApiError> {
    const text = await response.text();
    try {
      const body: unknown = JSON.parse(text);
      return new ApiError(response.status, isRecord(body) ? body : {});
    } catch {
      return new ApiError(response.status);
    }
  }
}

/** Return the body of a successful call of `api`, or throw ApiError. */
export function expectData<T>(result: { data?: T; error?: unknown; response: Response }): T {
  if (!result.response.ok) {
    throw new ApiError(result.response.status, isRecord(result.error) ? result.error : {});
  }
  // Undefined only for a response without a body, whose type is that.
  return result.data as T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
