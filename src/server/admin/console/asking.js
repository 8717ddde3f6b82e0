// Asks the listener that this page came from, and nobody else. A token lives in this tab alone.

const KEY = "dragoman-admin-token";

/** The listener wants a token, and has none or a wrong one. */
export class TokenNeeded extends Error {}

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export function setToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

/** Asks for a path; a body makes it a POST of JSON. */
export async function ask(path, body) {
  const headers = {};
  const token = sessionStorage.getItem(KEY);
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  const options = { headers, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  const response = await fetch(path, options);
  if (response.status === 401) throw new TokenNeeded();
  return response;
}
