import { markersIn } from "./edits.ts";
import type { World } from "./world.ts";

const RETENTION = 30 * 86_400_000;

/** Records that edits may be missing which exist only where the next purge removes them. */
export async function pardonDue(world: World): Promise<void> {
  // What exists only in conflicts and versions that are older than the retention period, the purge may remove. An item keeps its
  // newest 100 versions besides; no schedule makes so many.
  const due = world.now - RETENTION;
  for (const { type, id } of await itemsOf(world)) {
    for (const version of await world.api.versions(type, id)) {
      if (version.replaced_at !== undefined && Date.parse(version.replaced_at) < due) {
        world.edits.pardon(markersIn(version.data), "purged version");
      }
    }
  }
  for (const { resolved_at = "", local_version, remote_version } of await world.api.conflicts("resolved")) {
    if (Date.parse(resolved_at) < due) {
      world.edits.pardon([...markersIn(local_version), ...markersIn(remote_version)], "purged conflict");
    }
  }
}

/** Returns every connection and saved query that was ever edited or that the server has, copies included. */
export async function itemsOf({ api, edits }: World): Promise<{ type: "connection" | "saved_query"; id: string }[]> {
  const { items } = await api.download();
  const copies = (await api.conflicts("all")).flatMap(({ item_type, copy_id }) => (copy_id ? `${item_type}/${copy_id}` : []));
  const keys = new Set([...items.keys(), ...edits.all.map(({ key }) => key), ...copies]);
  return [...keys].flatMap((key) => {
    const [type, id = ""] = key.split(/\/(.*)/s);
    return type === "connection" || type === "saved_query" ? { type, id } : [];
  });
}
