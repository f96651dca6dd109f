// What Faultline is to hold to its promises: this project's driver, and what it claims.
import { MyDriver } from "./src/my-driver.mjs";

export default {
	name: "my-driver",
	claims: { atomicBatch: "always", durability: "process-crash" },
	open: (namespace) => ({ driver: new MyDriver(namespace) }),
};
