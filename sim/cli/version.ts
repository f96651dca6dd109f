/** The version of this tool, as the command line says it. */
export { VERSION } from "../explore/version.ts";
