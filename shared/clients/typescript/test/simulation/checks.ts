import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { LISTS } from "../../src/digest.ts";
import { ITEM_TYPES } from "../../src/records.ts";
import type { Conflict, ItemType } from "../../src/index.ts";
import type { Fields, ServerState } from "./api.ts";
import { CREDENTIALS } from "./api.ts";
import { Device, type Tab } from "./devices.ts";
import { type Edit, type Key, keyOf, markersIn } from "./edits.ts";
import { itemsOf } from "./purge.ts";
import type { World } from "./world.ts";

/** Most syncs until nothing is unsent. */
const ROUNDS = 20;

/** Checks the invariants at the end of a schedule. The network is healthy, and nothing else happens. */
export async function checkEnd(world: World): Promise<void> {
  const tabs: Tab[] = [];
  for (const device of world.devices) {
    tabs.push(await openTab(world, device));
  }
  await syncAll(world, tabs);
  const rejected = new Map<Tab, Set<string>>();
  for (const tab of tabs) {
    rejected.set(tab, await checkChanges(world, tab));
  }
  await checkNoEditLost(world, rejected);
  // What the user discards is again what the server has.
  for (const tab of tabs) {
    await discardAll(world, tab);
  }
  await syncAll(world, tabs);
  const fresh = new Device(world, "fresh");
  fresh.types = ITEM_TYPES;
  tabs.push(await openTab(world, fresh));
  await syncAll(world, tabs);
  const state = await world.api.download();
  const conflicts = await world.api.conflicts("open");
  for (const tab of tabs) {
    await checkState(world, tab, state);
    await checkConflicts(world, tab, conflicts);
    await checkDeviceOnly(world, tab);
    await checkSubscriptions(world, tab);
  }
}

async function openTab(world: World, device: Device): Promise<Tab> {
  if (device.isWiped) {
    // Tabs that still show the removed data are of no use.
    [...device.tabs].forEach((tab) => device.kill(world, tab));
  }
  const [open] = device.tabs.filter((tab) => tab.isOpen);
  const tab = open ?? device.newTab();
  if (!open) {
    await world.finish(tab, "open", () => tab.open(world));
    tab.stop();
  }
  return tab;
}

/** Syncs all devices until nothing is unsent, and then once more, so that each has what the others have sent. */
async function syncAll(world: World, tabs: readonly Tab[]): Promise<void> {
  for (let round = 0; ; round += 1) {
    assert.ok(round < ROUNDS, "there is always something unsent");
    let isIdle = true;
    for (const tab of tabs) {
      let report = await world.finish(tab, "sync", () => tab.client.sync());
      if (report.error?.code === "SIGNED_OUT") {
        const signedIn = await world.finish(tab, "log in", () => tab.client.logIn(CREDENTIALS));
        assert.ok(signedIn.ok, `${tab.name} cannot sign in: ${JSON.stringify(signedIn)}`);
        report = await world.finish(tab, "sync", () => tab.client.sync());
      }
      assert.equal(report.error, undefined, `${tab.name} cannot sync in a healthy network`);
      const changes = await world.finish(tab, "list changes", () => tab.client.changes.list());
      isIdle &&= changes.every((change) => change.rejected) && report.uploaded + report.downloaded + report.rejected === 0;
    }
    if (isIdle) {
      return;
    }
  }
}

/** Checks that all changes of a device are rejected for a reason, and returns the markers of their edits. */
async function checkChanges(world: World, tab: Tab): Promise<Set<string>> {
  const changes = await world.finish(tab, "list changes", () => tab.client.changes.list());
  const markers = new Set<string>();
  for (const { rejected, data } of changes) {
    const edits = [...markersIn(data)].flatMap((marker) => world.edits.get(marker) ?? []);
    const isExpected = edits.some(({ isInvalid }) => isInvalid) || (world.hasSmallQuota && rejected?.code === "QUOTA_EXCEEDED");
    assert.ok(isExpected, `${tab.name}: nothing is wrong with ${JSON.stringify(data)}, but it is rejected: ${JSON.stringify(rejected)}`);
    edits.forEach(({ marker }) => markers.add(marker));
  }
  return markers;
}

async function discardAll(world: World, tab: Tab): Promise<void> {
  await world.finish(tab, "discard", async () => {
    for (const change of await tab.client.changes.list()) {
      assert.ok(await tab.client.changes.discard(change), "a rejected change is discarded");
    }
  });
}

/** Checks that every edit is in an item, in a replaced version, in a conflict, or rejected on its device. */
async function checkNoEditLost(world: World, rejected: ReadonlyMap<Tab, ReadonlySet<string>>): Promise<void> {
  const { items } = await world.api.download();
  const found = markersIn([...items.values()]);
  const add = (value: object | undefined): void => markersIn(value).forEach((marker) => found.add(marker));
  for (const { type, id } of await itemsOf(world)) {
    add(await world.api.versions(type, id));
  }
  add(await world.api.conflicts("all"));
  const invalid = [...found].flatMap((marker) => world.edits.get(marker) ?? []).filter(({ isInvalid, part, staysHere }) => (isInvalid && part === "known") || staysHere);
  assert.deepEqual(invalid, [], "the server must not have these edits");
  for (const markers of rejected.values()) {
    markers.forEach((marker) => found.add(marker));
  }
  // Those that stay on a device are checked there.
  const lost = world.edits.missing(found).filter((edit) => !edit.staysHere && !isOfLostHistory(world, edit));
  assert.deepEqual(lost, [], "these edits are lost");
}

/**
 * Entries of the query history have no versions: who deletes one loses it, and of two with one id the first stays. Applications give each
 * entry an id of its own.
 */
function isOfLostHistory({ edits }: World, edit: Edit): boolean {
  const replaces = (other: Edit): boolean => other !== edit && other.key === edit.key && other.stored !== undefined;
  return edit.key.startsWith("query_history/") && edits.all.some(replaces);
}

/** Checks that a device shows what the server has, except the items that stay on it, and the digest. */
async function checkState(world: World, tab: Tab, { items, digest }: ServerState): Promise<void> {
  const { device } = tab;
  const shown = new Map<Key, Fields>();
  for (const type of device.types) {
    for (const item of await world.finish(tab, "list", () => tab.collection(type).list())) {
      shown.set(keyOf(type, item.id), item);
    }
  }
  const isShared = ([key]: [Key, Fields]): boolean => !world.edits.isLocal(device.name, key);
  assert.deepEqual(sorted([...shown].filter(isShared)), sorted([...items].filter(isShared)), `${tab.name} differs from the server`);
  for (const type of device.types) {
    // An item that stays on this device hides one of the server with the same id.
    const isHidden = [...items.keys()].some((key) => key.startsWith(`${type}/`) && world.edits.isLocal(device.name, key));
    const expected = isHidden ? undefined : digest?.[LISTS[type]];
    assert.ok(!expected || isDeepStrictEqual(digestOf(type, [...shown].filter(isShared)), expected), `the digest of ${tab.name} differs`);
  }
}

/** Checks that a device lists the conflicts that are open on the server, of the types that it syncs. */
async function checkConflicts(world: World, tab: Tab, open: readonly Conflict[]): Promise<void> {
  const expected = open.filter(({ item_type }) => tab.device.types.includes(item_type));
  const all = await world.finish(tab, "list conflicts", () => tab.client.conflicts.list());
  const listed = all.filter(({ item_type }) => tab.device.types.includes(item_type));
  const byId = (conflicts: readonly Conflict[]): Conflict[] => [...conflicts].sort((one, other) => (one.id < other.id ? -1 : 1));
  assert.deepEqual(byId(listed), byId(expected), `${tab.name} has other conflicts than the server`);
}

/** Checks that a device shows the last edit of each item that stays on it. */
async function checkDeviceOnly(world: World, tab: Tab): Promise<void> {
  const edits = world.edits.all.filter((edit) => edit.device === tab.device.name && edit.stored !== undefined);
  const last = new Map<Key, Edit>();
  for (const edit of edits.sort((one, other) => (one.stored ?? 0) - (other.stored ?? 0))) {
    last.set(edit.key, edit);
  }
  const shown = new Set<string>();
  for (const type of ITEM_TYPES) {
    markersIn(await world.finish(tab, "list", () => tab.collection(type).list())).forEach((marker) => shown.add(marker));
  }
  for (const { part, marker, key, staysHere, pardon } of last.values()) {
    assert.ok(!part || !staysHere || pardon !== undefined || shown.has(marker), `${tab.name} does not have ${marker} of ${key}, which stays on it`);
  }
}

/** Checks that subscriptions have delivered what the lists return. */
async function checkSubscriptions(world: World, tab: Tab): Promise<void> {
  const { client, shown } = tab;
  assert.deepEqual(shown.queries, await world.finish(tab, "list", () => client.savedQueries.list()), `queries of ${tab.name}`);
  assert.deepEqual(shown.conflicts, await world.finish(tab, "list", () => client.conflicts.list()), `conflicts of ${tab.name}`);
  assert.deepEqual(shown.changes, await world.finish(tab, "list", () => client.changes.list()), `changes of ${tab.name}`);
}

/** Returns the digest of the items of a type, computed as the API documents it. */
function digestOf(type: ItemType, items: readonly [Key, Fields][]): object {
  const own = items.filter(([key]) => key.startsWith(`${type}/`)).map(([, item]) => item);
  if (type === "query_history") {
    return { count: own.length };
  }
  const hashes = own.map(({ id, sync_version, updated_at }) => {
    const text = [type, id, sync_version, Date.parse(String(updated_at))].join("\0");
    return createHash("sha256").update(text).digest().readBigUInt64BE();
  });
  const sum = hashes.reduce((sum, hash) => BigInt.asUintN(64, sum + hash), 0n);
  return { count: own.length, hash: sum.toString(16).padStart(16, "0") };
}

const sorted = (items: [Key, Fields][]): [Key, Fields][] => items.sort(([one], [other]) => (one < other ? -1 : 1));
