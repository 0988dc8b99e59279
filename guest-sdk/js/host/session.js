// Written by sdk-bindings from wit/; not by hand.

export { default } from "sluice:sink/session@0.1.0";
