// The login with the instance's password, without a PBX.

import { sha256 } from "./sha256.js";

const APP = "gangway-admin";
const NO_GUID = "0".repeat(32);

/** The digest of an AppLogin; `info` only where the login has one. */
export function digest({ app, domain, sip, guid, dn, info }, challenge, password) {
  const parts = [app, domain, sip, guid, dn];
  if (info !== undefined) parts.push(JSON.stringify(info));
  return sha256([...parts, challenge, password].join(":"));
}

/** Returns a function that creates logins with `password`. */
export function passwordLogin(password) {
  return async (challenge) => {
    const login = { app: APP, domain: "", sip: APP, guid: NO_GUID, dn: "Admin" };
    return { ...login, digest: digest(login, challenge, password) };
  };
}
