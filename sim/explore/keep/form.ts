/**
 * How the runs of one kind of target are kept in files. Workflow engines have one form, actors and runners another; whoever keeps
 * runs, beside a report or in a corpus, knows no more of them than this.
 */
import type { Finding } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { KeptFailure } from "../campaign/lab.ts";

/** A finding, with the simplest run that showed it. */
export interface Found<S extends SubjectScenario> {
	readonly finding: Finding;
	readonly scenario: S;
}

/** What is made of the simplest run of a finding. */
export interface Made<S extends SubjectScenario> {
	/** Hex SHA-256 of its history. */
	readonly digest: string;
	readonly kept: KeptFailure<S>;
	/** What its file holds. */
	readonly content: string | Uint8Array;
	/** The run as a report keeps it (`RunRecord`), in JSON. */
	readonly record: string;
}

export interface Form<S extends SubjectScenario = SubjectScenario> {
	/** What the names of its files end in. */
	readonly extension: string;
	/** What a campaign has to know of a file. @throws UsageError when it cannot be read, or is none of these. */
	read(file: string): KeptFailure<S>;
	/** The scenario as its file has it. */
	recorded(scenario: S): S;
	/** Whether this campaign shows that failure, if it is still there. */
	covers(failure: KeptFailure<S>): boolean;
	/** Makes the run of a finding once more; undefined when it does not show it. @throws HarnessError when it left its world. */
	make(id: string, scenario: S): Promise<Made<S> | undefined>;
}
