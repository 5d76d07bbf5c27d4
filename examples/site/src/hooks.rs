//! What the webhook answers: conversions, and admission of sites.
//!
//! **Invariant:** both admission handlers see sites at v1, whatever version a client writes: the server converts.

use kubewright::Defaults as _;
use kubewright::convert::{Converter, Converters};
use kubewright::webhook::{
    Admission, Allowed, Denied, Hook, Mutator, Tls, Validator, Verdict, WebhookServer,
};

use crate::api::v1::{Content, Site, Strategy, Tier};

/// The server, with all of its handlers.
pub fn server(tls: Tls) -> WebhookServer {
    WebhookServer::new(tls)
        .conversion(Converters::new().with(Converter::of::<Site>()))
        .hook(Hook::mutator(SiteDefaults))
        .hook(Hook::validator(SiteRules))
}

/// Fills in what a site leaves open: what the schema says, which matters where a nested value came after the server
/// looked, and what no schema can say.
#[derive(Clone, Copy, Debug)]
pub struct SiteDefaults;

impl Mutator for SiteDefaults {
    type Object = Site;

    async fn mutate(&self, site: &mut Site, _: &Admission<Site>) -> Verdict {
        site.spec.set_defaults();
        Ok(Allowed::new())
    }
}

/// Rules between fields.
#[derive(Clone, Copy, Debug)]
pub struct SiteRules;

impl Validator for SiteRules {
    type Object = Site;

    async fn validate(&self, request: &Admission<Site>) -> Verdict {
        let Some(site) = &request.object else {
            return Ok(Allowed::new());
        };
        let (spec, replicas) = (&site.spec, site.spec.replicas.unwrap_or(1));
        let taken = spec.ports.iter().position(|port| port.number == spec.port);
        if let Some(index) = taken {
            let field = format!("spec.ports[{index}].number");
            return Err(Denied::invalid(field, "is the port of the site"));
        }
        if spec.tier == Tier::Gold && replicas < 2 {
            return Err(Denied::invalid("spec.tier", "Gold takes two replicas at least"));
        }
        if let (Some(old), Some(Content::Proxy { .. })) = (&request.old_object, &spec.content)
            && !matches!(old.spec.content, Some(Content::Proxy { .. }))
        {
            let message = "a site does not become a proxy: clients of v1beta1 could not see it any more";
            return Err(Denied::invalid("spec.content.type", message));
        }
        let mut allowed = Allowed::new();
        if spec.strategy == Strategy::Canary && replicas < 2 {
            allowed = allowed.warn("spec.strategy: the canary of a single replica is all of the site");
        }
        Ok(allowed)
    }
}
