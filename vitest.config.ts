import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		// Worlds swap globals: a process for each test file keeps them apart.
		pool: "forks",
		testTimeout: 60_000,
	},
});
