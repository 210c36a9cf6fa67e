// Node's HTTP server, without the client of the web standards: an import of node:http looks at everything that
// the module exports, and so loads undici, which took 4 MiB of each process.
export const { createServer, METHODS, ServerResponse, STATUS_CODES } =
  process.getBuiltinModule('node:http')
