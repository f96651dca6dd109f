/**
 * Lets Node run this project's TypeScript: `node --import ./sim/cli/typescript/register.mjs FILE`. Types are taken off by
 * esbuild and nothing is added. Loaders that keep the names of functions wrap every closure at the moment it is made, which
 * costs a run of the world more than half of what the engine itself costs.
 */
import { register } from "node:module";

register("./hooks.mjs", import.meta.url);
