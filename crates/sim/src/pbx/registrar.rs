//! Accepts registrations of simulated phones. It represents the PBX's SIP port and makes the same decisions, over one
//! HTTP request.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{objects::is_hw, registration::Registration, state::PbxState};
use crate::board::Board;

/// A registration request: the contents of the phone's SIP account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RegisterRequest {
    /// User part of the address of record.
    pub(crate) username: String,
    /// User name for digest authentication.
    pub(crate) authname: String,
    /// Hardware id, if the phone sends one.
    #[serde(default)]
    pub(crate) hwid: String,
    /// The account's password.
    pub(crate) password: String,
    /// `udp`, `tcp` or `tls`.
    pub(crate) transport: String,
    /// The registrar's name as configured on the phone.
    pub(crate) domain: String,
    /// The phone's address.
    #[serde(default)]
    pub(crate) addr: String,
    /// True to unregister.
    #[serde(default)]
    pub(crate) off: bool,
}

/// The PBX's answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterAnswer {
    /// True if the phone is registered.
    pub ok: bool,
    /// Reason of a rejection.
    #[serde(default)]
    pub reason: String,
}

pub(super) fn routes(services: &mut web::ServiceConfig, board: Board<PbxState>) {
    let register = move |http: HttpRequest, body: web::Json<RegisterRequest>| {
        let mut request = body.into_inner();
        if request.addr.is_empty() {
            request.addr = http.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
        }
        let outcome = board.change(|state| state.register(&request));
        async move {
            match outcome {
                Ok(()) => HttpResponse::Ok().json(RegisterAnswer { ok: true, reason: String::new() }),
                Err(reason) => HttpResponse::Forbidden().json(RegisterAnswer { ok: false, reason }),
            }
        }
    };
    services.route("/register", web::post().to(register));
}

impl PbxState {
    fn register(&mut self, request: &RegisterRequest) -> Result<(), String> {
        let outcome = self.check(request);
        match outcome {
            Ok(registration) => {
                self.regs.retain(|reg| reg.guid != registration.guid || reg.hw != registration.hw);
                if !request.off {
                    self.regs.push(registration);
                }
                Ok(())
            }
            Err(reason) => {
                self.refused_regs.push(format!("{}: {reason}", request.username));
                Err(reason)
            }
        }
    }

    fn check(&self, request: &RegisterRequest) -> Result<Registration, String> {
        if self.switches.away {
            return Err("the PBX is away".into());
        }
        if request.domain != self.config.dns && request.domain != self.config.domain {
            return Err(format!("'{}' is neither this PBX's name nor its domain", request.domain));
        }
        if !matches!(request.transport.as_str(), "tls" | "tcp") {
            return Err(format!("transport {} is not allowed", request.transport));
        }
        let names = [&request.hwid, &request.authname, &request.username];
        let by_device = self.users.iter().find_map(|user| {
            let device =
                user.devices.iter().find(|device| names.iter().any(|name| !name.is_empty() && is_hw(device, name)))?;
            Some((user, Some(device)))
        });
        let by_name = || self.user(&request.username).map(|user| (user, None));
        let (user, device) = by_device.or_else(by_name).ok_or("no user and no device of that name")?;
        let known = |name: &str| name == user.h323 || device.is_some_and(|device| is_hw(device, name));
        if !known(&request.authname) || !known(&request.username) {
            return Err(format!("'{}' may not register as '{}'", request.authname, request.username));
        }
        // A PBX lets such a user register only with an option that this one does not have.
        if user.password.is_empty() {
            return Err("the user has no password".into());
        }
        if user.password != request.password {
            return Err("wrong password".into());
        }
        if request.transport == "tcp" && device.is_some_and(|device| device["tls"] == true) {
            return Err("the device is marked TLS only".into());
        }
        let hw = device.and_then(|device| device["hw"].as_str()).unwrap_or_default();
        Ok(Registration {
            guid: user.guid.clone(),
            hw: hw.into(),
            addr: request.addr.clone(),
            transport: request.transport.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pbx::{PbxConfig, PbxUser};

    #[test]
    fn only_the_right_account_over_the_right_transport_registers() {
        let mut state = PbxState::new(PbxConfig::default());
        let mut user = PbxUser::new("alice", "Alice", "pw");
        user.devices.push(json!({ "hw": "805EC0112233", "tls": true }));
        state.users.push(user);
        let right = RegisterRequest {
            username: "805ec0112233".into(),
            authname: "alice".into(),
            password: "pw".into(),
            transport: "tls".into(),
            domain: "pbx.example.com".into(),
            addr: "10.0.0.7".into(),
            ..RegisterRequest::default()
        };
        let wrong = [
            RegisterRequest { password: "other".into(), ..right.clone() },
            RegisterRequest { transport: "udp".into(), ..right.clone() },
            RegisterRequest { transport: "tcp".into(), ..right.clone() },
            RegisterRequest { domain: "elsewhere".into(), ..right.clone() },
            RegisterRequest { authname: "bob".into(), ..right.clone() },
        ];
        for request in wrong {
            assert!(state.register(&request).is_err(), "{request:?}");
        }
        state.register(&right).unwrap();
        assert_eq!((state.regs[0].hw.as_str(), state.regs[0].addr.as_str()), ("805EC0112233", "10.0.0.7"));
        state.users[0].devices[0]["tls"] = false.into();
        state.register(&RegisterRequest { transport: "tcp".into(), ..right.clone() }).unwrap();
        assert_eq!(state.regs.len(), 1);
        state.register(&RegisterRequest { off: true, ..right }).unwrap();
        assert!(state.regs.is_empty());
    }
}
