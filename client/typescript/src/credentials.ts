/** The credentials that sign requests: a token, or an e-mail address and a password. */

import { ApiError } from "./api_error.js";
import { fetchWithRetries } from "./retry.js";

/** Returns the access token. `refused` is one that the service does not accept any more. */
export type Credentials = (baseUrl: string, refused?: string) => Promise<string>;

// A token is renewed before it expires.
const EARLY_MILLISECONDS = 60_000;

interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

/** Sign requests with an access token or an API key. */
export function tokenCredentials(token: string): Credentials {
  return () => Promise.resolve(token);
}

/** Sign in with a password, refresh the access token, and sign in again after the session has ended. */
export function passwordCredentials(email: string, password: string): Credentials {
  let tokens: Tokens | undefined;
  let renewAt = 0;
  let renewal: Promise<Tokens> | undefined;

  async function renew(baseUrl: string): Promise<Tokens> {
    const refresh = tokens && { grant_type: "refresh_token", refresh_token: tokens.refresh_token };
    tokens = undefined;
    tokens =
      (refresh && (await issue(baseUrl, refresh).catch(() => undefined))) ??
      (await issue(baseUrl, { grant_type: "password", username: email, password }));
    renewAt = Date.now() + tokens.expires_in * 1000 - EARLY_MILLISECONDS;
    return tokens;
  }

  return async (baseUrl, refused) => {
    if (tokens && tokens.access_token !== refused && Date.now() < renewAt) {
      return tokens.access_token;
    }
    // Concurrent requests share one renewal.
    renewal ??= renew(baseUrl).finally(() => {
      renewal = undefined;
    });
    return (await renewal).access_token;
  };
}

async function issue(baseUrl: string, form: Record<string, string>): Promise<Tokens> {
  const request = new Request(`${baseUrl}/v1/auth/token`, { method: "POST", body: new URLSearchParams(form) });
  const response = await fetchWithRetries(request, fetch);
  if (!response.ok) {
    throw await ApiError.of(response);
  }
  return (await response.json()) as Tokens;
}
