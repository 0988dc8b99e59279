// Written by sdk-bindings from wit/; not by hand.

export { default } from "sluice:sink/tables@0.1.0";
