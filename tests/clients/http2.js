// Sends requests to the gateway over one connection of HTTP/2, all at once, by node's own client.
//
// stdin: {"port": …, "name": …, "authority": FILE, "requests": [{"path": …, "authorization": …, "body": …}]}
// stdout: [{"status": …, "body": …}], in the same order.

"use strict";

const fs = require("fs");
const http2 = require("http2");

const input = JSON.parse(fs.readFileSync(0, "utf8"));
const session = http2.connect(`https://127.0.0.1:${input.port}`, {
  ca: fs.readFileSync(input.authority),
  servername: input.name,
});

function send({ path, authorization, body }) {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      ":authority": input.name,
      "content-type": "application/json",
      authorization,
    });
    let status = 0;
    let answer = "";
    stream.setEncoding("utf8");
    stream.on("response", (headers) => (status = headers[":status"]));
    stream.on("data", (part) => (answer += part));
    stream.on("end", () => resolve({ status, body: JSON.parse(answer) }));
    stream.on("error", reject);
    stream.end(body);
  });
}

Promise.all(input.requests.map(send)).then((answers) => {
  process.stdout.write(JSON.stringify(answers));
  session.close();
});
