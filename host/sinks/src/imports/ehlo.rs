//! `ehlo`: what the EHLO answer offers. Only in on-helo.

use smtp::{OfferError, Offers, ParameterVerb};

use super::Answer;
use crate::access::Allowed;
use crate::bindings::sluice::sink::ehlo::Host;
use crate::bindings::sluice::sink::types::Error;
use crate::event::EventKind;
use crate::state::State;

impl State {
    fn offers(&mut self) -> Result<&mut Offers, Error> {
        match self.call.access.ehlo {
            Allowed::Yes => self.subject.offers.as_mut().ok_or(Error::NotPermitted),
            Allowed::No => Err(Error::NotPermitted),
        }
    }
}

impl From<OfferError> for Error {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::NotPermitted => Self::NotPermitted,
            OfferError::NotFound => Self::NotFound,
            OfferError::Invalid => Self::InvalidArgument(error.to_string()),
            OfferError::Full => Self::QuotaExceeded,
        }
    }
}

impl Host for State {
    fn offered(&mut self) -> wasmtime::Result<Vec<String>> {
        let keywords = |offers: &mut Offers| offers.keywords().into_iter().map(ToOwned::to_owned).collect();
        Ok(self.offers().map(keywords).unwrap_or_default())
    }

    async fn offer(&mut self, keyword: String, arguments: Option<String>) -> Answer<()> {
        self.toll(&[&keyword, &arguments]).await?;
        // A keyword promises verbs, and somebody must answer them.
        if !self.call.installation.artifact.exports(EventKind::InboundCommand) {
            return Ok(Err(Error::NotPermitted));
        }
        Ok(self.offers().and_then(|offers| Ok(offers.offer(&keyword, arguments.as_deref())?)))
    }

    async fn offer_parameter(&mut self, verb: String, keyword: String) -> Answer<()> {
        self.toll(&[&verb, &keyword]).await?;
        let verb = match verb.to_ascii_uppercase().as_str() {
            "MAIL" => ParameterVerb::Mail,
            "RCPT" => ParameterVerb::Rcpt,
            _ => return Ok(Err(Error::InvalidArgument("the verb is MAIL or RCPT".to_owned()))),
        };
        Ok(self.offers().and_then(|offers| Ok(offers.offer_parameter(verb, &keyword)?)))
    }

    async fn hide(&mut self, keyword: String) -> Answer<()> {
        self.toll(&[&keyword]).await?;
        Ok(self.offers().and_then(|offers| Ok(offers.hide(&keyword)?)))
    }
}
