// stomp-broker-js as a program: node stomp_broker.cjs FOLDER_OF_THE_PACKAGE PORT
//
// It answers no `receipt` of a SUBSCRIBE, by which a load knows that all subscribers are there, so that is added here.

const [folder, port] = process.argv.slice(2);
const StompServer = require(folder);
const { sendCommand } = require(`${folder}/lib/stomp-utils`);

const server = require('http').createServer();
const handler = new StompServer({ server, path: '/stomp', heartbeat: [0, 0] }).frameHandler;
const subscribe = handler.SUBSCRIBE;
handler.SUBSCRIBE = (socket, frame) => {
  subscribe(socket, frame);
  if (frame.headers.receipt) sendCommand(socket, 'RECEIPT', { 'receipt-id': frame.headers.receipt });
};
server.listen(Number(port), '127.0.0.1');
