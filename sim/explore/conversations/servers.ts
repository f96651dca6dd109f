/** The published servers that conversations are held with: one of each temper, and more that can be killed, in one directory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RivetEngine, type Temper } from "./rivet-engine.ts";

/** One for each temper, and more that can be killed. */
export interface Servers extends Readonly<Record<Temper, RivetEngine>> {
	/** Starts a patient one; whoever started it stops it. */
	another(name: string): Promise<RivetEngine>;
	/** Ends them, and removes their files. */
	stop(): Promise<void>;
}

/** @param binary the server's program. @throws HarnessError when it does not start. */
export async function startServers(binary: string): Promise<Servers> {
	const root = mkdtempSync(join(tmpdir(), "faultline-server-"));
	const started: RivetEngine[] = [];
	const start = async (name: string, temper: Temper) => {
		const server = await RivetEngine.start(binary, join(root, name), temper);
		started.push(server);
		return server;
	};
	const stop = async () => {
		await Promise.all(started.map((server) => server.stop()));
		rmSync(root, { recursive: true, force: true });
	};
	try {
		const patient = await start("patient", "patient");
		const hasty = await start("hasty", "hasty");
		return { patient, hasty, another: (name) => start(name, "patient"), stop };
	} catch (error) {
		await stop();
		throw error;
	}
}
