// Drives the npm client ewelink-api against a gateway of ours.
//
//   node ewelink.js credentials DIRECTORY   writes the app id and secret that the package carries
//   node ewelink.js login                   reads {base_url, base_urls?, region, phone|email, password}
//                                           from stdin, prints one JSON line, never a secret
'use strict';

const fs = require('fs');
const path = require('path');
const EWeLink = require('ewelink-api');
const constants = require('ewelink-api/src/data/constants');

function writeCredentials(directory) {
  const write = (name, text) =>
    fs.writeFileSync(path.join(directory, name), text, { mode: 0o600 });
  write('ewelink-api.id', constants.APP_ID);
  write('ewelink-api.secret', constants.APP_SECRET);
}

async function login({ base_url, base_urls = {}, region, phone = null, email = null, password }) {
  const asked = [];
  class Client extends EWeLink {
    getApiUrl() {
      asked.push(this.region);
      return `${base_urls[this.region] || base_url}/api`;
    }
  }
  const client = new Client({ region, phoneNumber: phone, email, password });
  const answer = await client.getCredentials();
  const loggedIn = Boolean(client.at && client.apiKey && answer.at === client.at);
  return {
    client: 'ewelink-api',
    outcome: loggedIn ? 'logged_in' : 'refused',
    error: answer.error === undefined ? null : answer.error,
    region: client.region,
    asked,
  };
}

async function main([command, directory]) {
  if (command === 'credentials' && directory) {
    writeCredentials(directory);
  } else if (command === 'login') {
    console.log(JSON.stringify(await login(JSON.parse(fs.readFileSync(0, 'utf8')))));
  } else {
    throw new Error('usage: ewelink.js credentials DIRECTORY | ewelink.js login');
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
});
