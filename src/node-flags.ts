/**
 * Of every node process that is the service. V8 lets the space for new objects grow with the machine, to 64 MB twice;
 * nothing here lives long enough to need that, and ten thousand streams or a burst of tasks cost a third less memory.
 * Also in package.json, compose.yaml and deploy/, which start the same processes.
 */
export const NODE_FLAGS = ['--max-semi-space-size=16']
