/** The day that a table is made, for whoever reads it later: `2030-01-31`, in universal time. */
export function today(): string {
	return new Date().toISOString().slice(0, "2030-01-31".length);
}
