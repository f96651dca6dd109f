import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		// Worlds swap globals: a process for each test file keeps them apart.
		pool: "forks",
		// Far beyond what any test takes: a limit that a busy machine meets tells of the machine.
		testTimeout: 600_000,
		hookTimeout: 600_000,
	},
});
