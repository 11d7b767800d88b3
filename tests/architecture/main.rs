//! Rules about the source tree: dependencies, where stores are chosen, routes, migrations, security requirements. Every check is a
//! function of texts and is tested on texts that break the rule.

mod asvs;
mod backends;
mod layers;
mod limits;
mod manifests;
mod migrations;
mod module_graph;
mod routes;
mod source;
