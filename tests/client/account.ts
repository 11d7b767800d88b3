// Account lifecycle: sign-up, login, sessions, emails and deletion.
import assert from "node:assert/strict";
import type { Authenticated } from "./api.js";
import { type Api, connect, fields, expectError, step, expectSuccess } from "./calls.js";
import { only } from "./device.js";

const ADA = { username: "ada", email: "ada@example.com", password: "Sesame42" };
const NOBODY = "00000000-0000-4000-8000-000000000000";

export async function signUp(base: string): Promise<Authenticated> {
  step("Ada signs up");
  const api = connect(base);
  const bad = await api.POST("/api/auth/signup", { body: { username: "", email: "ada", password: "short" } });
  assert.deepEqual(fields(expectError(bad, 400, "INVALID_REQUEST")), ["email", "password", "username"]);
  const session = expectSuccess(await api.POST("/api/auth/signup", { body: { ...ADA, device: "laptop" } }));
  assert.deepEqual([session.user.username, session.user.email], [ADA.username, ADA.email]);
  assert.deepEqual([session.user.role, session.user.email_verified], ["user", false]);
  assert.ok(Date.parse(session.expires_at) > Date.parse(session.user.created_at));
  assert.notEqual(session.token, session.refresh_token);
  expectError(await api.POST("/api/auth/signup", { body: ADA }), 409, "CONFLICT");
  expectError(await api.GET("/api/sync/status"), 401, "UNAUTHORIZED");
  return session;
}

export async function logIn(base: string, device: string): Promise<Authenticated> {
  const api = connect(base);
  const body = { username: ADA.email, password: ADA.password, device };
  expectError(await api.POST("/api/auth/login", { body: { ...body, password: "Barley77" } }), 401, "INVALID_CREDENTIALS");
  return expectSuccess(await api.POST("/api/auth/login", { body }));
}

/** Returns the device of each session and whether it is the current session. */
async function sessions(api: Api): Promise<[string, boolean][]> {
  const { sessions } = expectSuccess(await api.GET("/api/auth/sessions"));
  return sessions.map(({ device, current }): [string, boolean] => [device, current]).sort();
}

export async function manageSessions(base: string, laptop: Authenticated): Promise<void> {
  step("sessions are listed, refreshed and ended");
  const api = connect(base, laptop.token);
  assert.deepEqual(await sessions(api), [["laptop", true], ["phone", false]]);
  const tablet = await logIn(base, "tablet");
  const listed = expectSuccess(await api.GET("/api/auth/sessions")).sessions;
  const id = only(listed.filter((session) => session.device === "tablet")).id;
  const fresh = expectSuccess(await api.POST("/api/auth/refresh", { body: { refresh_token: tablet.refresh_token } }));
  assert.equal(expectSuccess(await connect(base, fresh.token).GET("/api/auth/profile")).user.id, laptop.user.id);
  assert.ok(expectSuccess(await api.DELETE("/api/auth/sessions/{id}", { params: { path: { id } } })).success);
  expectError(await api.DELETE("/api/auth/sessions/{id}", { params: { path: { id: NOBODY } } }), 404, "NOT_FOUND");

  const again = { body: { refresh_token: tablet.refresh_token } };
  expectError(await api.POST("/api/auth/refresh", again), 401, "UNAUTHORIZED");
  await logIn(base, "tablet");
  expectSuccess(await api.DELETE("/api/auth/sessions"));
  assert.deepEqual(await sessions(api), [["laptop", true]]);
}

export async function requestEmails(base: string, laptop: Authenticated): Promise<void> {
  step("emails are requested; an invalid link is refused");
  const api = connect(base, laptop.token);
  assert.ok(expectSuccess(await api.POST("/api/auth/resend-verification")).success);
  assert.ok(expectSuccess(await api.POST("/api/auth/request-password-reset", { body: { email: ADA.email } })).success);
  const confirm = await api.POST("/api/auth/verify-email", { body: { token: "none" } });
  assert.deepEqual(fields(expectError(confirm, 400, "INVALID_REQUEST")), ["token"]);
  const reset = await api.POST("/api/auth/reset-password", { body: { token: "none", new_password: "Barley77" } });
  assert.deepEqual(fields(expectError(reset, 400, "INVALID_REQUEST")), ["token"]);
}

export async function deleteAccount(base: string, laptop: Authenticated): Promise<void> {
  step("Ada changes her password, logs out, and deletes her account");
  const api = connect(base, laptop.token);
  const body = { current_password: ADA.password, new_password: "Barley77" };
  assert.ok(expectSuccess(await api.POST("/api/auth/change-password", { body })).success);
  assert.ok(expectSuccess(await api.POST("/api/auth/logout")).success);
  expectError(await api.GET("/api/auth/profile"), 401, "UNAUTHORIZED");
  const login = { username: ADA.username, password: "Barley77" };
  const last = connect(base, expectSuccess(await api.POST("/api/auth/login", { body: login })).token);
  expectError(await last.DELETE("/api/auth/profile", { body: { password: "Sesame42" } }), 401, "INVALID_CREDENTIALS");
  assert.ok(expectSuccess(await last.DELETE("/api/auth/profile", { body: { password: "Barley77" } })).success);
  expectError(await last.POST("/api/auth/login", { body: login }), 401, "INVALID_CREDENTIALS");
}
