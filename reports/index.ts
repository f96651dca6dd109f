/** The result model, and every renderer of it: pure functions that read nothing and write nothing. */
export type { AnyReport } from "./any.ts";
export { compareMarkdown, compareText } from "./compare.ts";
export { conformJunit, conformMarkdown, conformText } from "./conform.ts";
export type * from "./conform-model.ts";
export { differMarkdown, differText } from "./differ.ts";
export { matrixOfDrivers } from "./drivers.ts";
export { annotations, summary } from "./github.ts";
export { matrixPage } from "./html/matrix-page.ts";
export { type PageAssets, type PageOptions, page } from "./html/page.ts";
export { json } from "./json.ts";
export { junit } from "./junit.ts";
export { markdown } from "./markdown.ts";
export { matrixMarkdown, matrixText } from "./matrix.ts";
export * from "./model.ts";
export { mutantsJunit, mutantsMarkdown, mutantsText } from "./mutants.ts";
export { type StoryEvent, type StoryOptions, story } from "./story.ts";
export { terminal } from "./terminal.ts";
