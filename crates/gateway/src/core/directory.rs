//! Who exists: users and the tokens that speak for them.
//!
//! Owns: users, tokens. Lives on: the core's thread. Must not import: sessions or calls.
//!
//! In development mode a user exists from the first token on. Accounts from a database are a later neighbour of this
//! file: they answer the same questions.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use ewebrtc_wire::{Address, Secret, parse_user_id};

use super::{Answer, Core, Refusal, TokenGrant, service};

/// Users and tokens.
#[derive(Default)]
pub(super) struct Directory {
    /// The tokens of each known user, oldest first.
    users: HashMap<Address, VecDeque<Secret>>,
    tokens: HashMap<Secret, Token>,
}

struct Token {
    user: Address,
    expires: Instant,
}

impl Directory {
    /// The user this token speaks for.
    pub(super) fn user_of(&self, now: Instant, token: &Secret) -> Option<&Address> {
        self.tokens.get(token).filter(|t| t.expires > now).map(|t| &t.user)
    }

    /// True when somebody had a token of this user.
    pub(super) fn knows(&self, user: &Address) -> bool {
        self.users.contains_key(user)
    }

    fn forget_expired(&mut self, now: Instant) {
        self.tokens.retain(|_, t| t.expires > now);
        let tokens = &self.tokens;
        self.users.values_mut().for_each(|list| list.retain(|t| tokens.contains_key(t)));
    }

    fn rebind(&mut self, token: &Secret, user: &Address) {
        let Some(entry) = self.tokens.get_mut(token) else { return };
        let old = std::mem::replace(&mut entry.user, user.clone());
        if let Some(tokens) = self.users.get_mut(&old) {
            tokens.retain(|t| t != token);
        }
        self.users.entry(user.clone()).or_default().push_back(token.clone());
    }
}

/// `vtn` users need an e911 id, accounts must not have one (section 1.5).
pub(super) fn kind(user: &Address) -> &'static str {
    match user {
        Address::Account { .. } => "ACCOUNT_ID",
        Address::Number(_) => "VIRTUAL_NUMBER",
    }
}

/// A local part that needs no escaping in a `sip:` address (RFC 3261 section 25.1, `user`, without `;?/%`).
fn is_plain_name(name: &str) -> bool {
    name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'&=+$,".contains(c))
}

/// A US number with its country code.
fn is_virtual_number(digits: &str) -> bool {
    digits.len() == 11 && digits.starts_with('1')
}

impl Core {
    /// Another token for this user (development mode).
    ///
    /// # Errors
    /// 400 SVC0002 for a text that is neither a name nor a number of ours (a foreign domain, the service `echo`), 503
    /// when the directory is full.
    pub(super) fn issue_token(&mut self, now: Instant, user: &str) -> Result<Answer, Refusal> {
        let asked = user.trim();
        let address = parse_user_id(asked, &self.config.domain).ok_or(Refusal::invalid("user"))?;
        let ours = match &address {
            Address::Account { user, domain } => {
                *domain == self.config.domain && is_plain_name(user) && service(user).is_none()
            }
            Address::Number(digits) => is_virtual_number(digits),
        };
        if !ours {
            return Err(Refusal::invalid("user"));
        }
        if !self.directory.knows(&address) && self.directory.users.len() >= self.config.limits.users {
            return Err(Refusal::overloaded());
        }
        self.forget_old_tokens(now, &address);
        if self.directory.tokens.len() >= self.config.limits.tokens {
            self.directory.forget_expired(now);
        }
        if self.directory.tokens.len() >= self.config.limits.tokens {
            return Err(Refusal::overloaded());
        }
        let token = Secret::new(format!("{}{}", self.new_id(), self.new_id()).replace('-', ""));
        let entry = Token { user: address.clone(), expires: now + self.config.token };
        self.directory.tokens.insert(token.clone(), entry);
        self.directory.users.entry(address.clone()).or_default().push_back(token.clone());
        Ok(Answer::Token(TokenGrant {
            token,
            expires_in: self.config.token.as_secs(),
            user: asked.to_owned(),
            kind: kind(&address),
            address: address.uri(),
        }))
    }

    /// Makes room for one more token: expired ones go, then the oldest without a session.
    fn forget_old_tokens(&mut self, now: Instant, user: &Address) {
        let in_use: Vec<Secret> = self
            .of_user
            .get(user)
            .into_iter()
            .flatten()
            .filter_map(|id| self.sessions.get(id))
            .map(|s| s.token.clone())
            .collect();
        let Directory { users, tokens } = &mut self.directory;
        let Some(list) = users.get_mut(user) else { return };
        list.retain(|t| {
            let valid = tokens.get(t).is_some_and(|entry| entry.expires > now);
            if !valid {
                tokens.remove(t);
            }
            valid
        });
        while list.len() >= self.config.limits.tokens_per_user {
            let Some(oldest) = list.iter().position(|t| !in_use.contains(t)) else { break };
            if let Some(token) = list.remove(oldest) {
                tokens.remove(&token);
            }
        }
    }

    pub(super) fn check_token(&self, now: Instant, token: Option<Secret>) -> Result<Answer, Refusal> {
        let token = token.ok_or(Refusal::bad_token())?;
        self.directory.user_of(now, &token).map(|_| Answer::Done).ok_or(Refusal::bad_token())
    }

    /// Binds a token to a user (section 2.1); repeating it changes nothing.
    ///
    /// # Errors
    /// 401 POL0001; 404 SVC8514 for a user that does not exist; 400 SVC0002 when the token has a session of another
    /// user (D-25).
    pub(super) fn associate(&mut self, now: Instant, token: Option<Secret>, user_id: &str) -> Result<Answer, Refusal> {
        let token = token.ok_or(Refusal::bad_token())?;
        let old = self.directory.user_of(now, &token).ok_or(Refusal::bad_token())?.clone();
        let user = parse_user_id(user_id, &self.config.domain).filter(|u| self.directory.knows(u));
        let user = user.ok_or(Refusal::unknown_user())?;
        if user == old {
            return Ok(Answer::Done);
        }
        if self.sessions_of(&old).any(|s| s.token == token) {
            return Err(Refusal::invalid("userId"));
        }
        self.forget_old_tokens(now, &user);
        self.directory.rebind(&token, &user);
        Ok(Answer::Done)
    }
}
