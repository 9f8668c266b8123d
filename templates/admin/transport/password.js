// The login without a PBX: the instance's password, hashed in the page.

import { sha256 } from "./sha256.js";

const APP = "gangway-admin";
const NOBODY = "0".repeat(32);

/** The digest of an AppLogin; `info` only where the login has one. */
export function digest({ app, domain, sip, guid, dn, info }, challenge, password) {
  const parts = [app, domain, sip, guid, dn];
  if (info !== undefined) parts.push(JSON.stringify(info));
  return sha256([...parts, challenge, password].join(":"));
}

/** Makes the logins of a person who typed `password`. */
export function passwordLogin(password) {
  return async (challenge) => {
    const who = { app: APP, domain: "", sip: APP, guid: NOBODY, dn: "Admin" };
    return { ...who, digest: digest(who, challenge, password) };
  };
}
