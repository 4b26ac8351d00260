// node --require loopback.cjs: a server that names no address listens on 127.0.0.1 instead of on every interface.
// The port must be bound when listen returns, as some programs read it at once; a host given to listen would be looked up
// first. So the address is put in below listen, at the place where Node binds.
'use strict';
const server = require('node:net').Server.prototype;

const bind = server._listen2;

server._listen2 = function listenOnLoopback(address, port, family, ...rest) {
  const everywhere = address === null && port >= 0;
  return everywhere ? bind.call(this, '127.0.0.1', port, 4, ...rest) : bind.call(this, address, port, family, ...rest);
};
