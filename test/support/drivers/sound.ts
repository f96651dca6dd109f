/** See file-driver.ts. */
import { fileDriver } from "../file-driver.ts";

export default fileDriver("sound");
