/**
 * `InMemoryDriver`, as the published package brings it for tests: as it is, without its simulated latency. It claims nothing, and is
 * held to the weakest claims.
 */
import { type Plugged, plug } from "../plug.ts";

export async function rivetMemoryDriver(): Promise<Plugged> {
	const { InMemoryDriver } = await import("@rivetkit/workflow-engine/testing");
	return plug("rivet-memory", () => {
		const driver = new InMemoryDriver();
		driver.latency = 0;
		return driver;
	});
}
