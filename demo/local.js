// @ts-check
/** What only the emulator can do: go wrong when asked to, and show its traffic. In Azure none of it appears. */

/** @typedef {{ fault: string, hub?: string, connectionId?: string, event?: string, count?: number, seconds?: number }} Fault */

/** The emulator's address, null for a service in Azure. @param {URL | null} service */
export function localOrigin(service) {
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(service?.hostname ?? "");
  return service && service.protocol === "ws:" && isLoopback ? `http://${service.host}` : null;
}

/** @param {string} origin @param {Fault} fault */
export async function inject(origin, fault) {
  await ask(origin, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fault) });
}

/** @param {string} origin @param {string} connectionId @returns {Promise<Fault[]>} those that wait for this connection */
export async function armedFor(origin, connectionId) {
  const { faults } = await (await ask(origin, {})).json();
  return faults.filter((/** @type {Fault} */ fault) => fault.connectionId === connectionId);
}

/** @param {string} origin @param {string} connectionId whose faults shall wait no longer */
export async function disarm(origin, connectionId) {
  await ask(origin, { method: "DELETE" }, `?${new URLSearchParams({ connectionId })}`);
}

/** @param {string} origin @param {RequestInit} request */
async function ask(origin, request, query = "") {
  const response = await fetch(`${origin}/emulator/faults${query}`, request);
  if (!response.ok) throw new Error(`The emulator answered ${response.status}.`);
  return response;
}
