// @ts-check
/** What only the emulator can do: go wrong when asked to, and show its traffic. In Azure none of it appears. */

/** The emulator's address, null for a service in Azure. @param {URL | null} service */
export function localOrigin(service) {
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(service?.hostname ?? "");
  return service && service.protocol === "ws:" && isLoopback ? `http://${service.host}` : null;
}

/** @param {string} origin @param {object} fault */
export async function inject(origin, fault) {
  const response = await fetch(`${origin}/emulator/faults`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fault),
  });
  if (!response.ok) throw new Error(`The emulator answered ${response.status}.`);
}
