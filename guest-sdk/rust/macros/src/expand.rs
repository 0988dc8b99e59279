//! The function as it was written, and beside it the implementation of the event's `Guest` trait that calls it.
//!
//! Natively nothing is exported, so a sink's crate also compiles for the machine it is tested on. What the author got
//! wrong is said at the place where it stands, in a sentence.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, LitStr, ReturnType, Token};

use crate::event::{Event, Lent, Verbs};

/// The attribute's output; an error becomes `compile_error!` beside the function, so that nothing else fails because of it.
pub(crate) fn expand(event: &Event, arguments: TokenStream, function: TokenStream) -> TokenStream {
    let kept = function.clone();
    syn::parse2(function).and_then(|function| bind(event, arguments, &function)).unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote!(#kept #error)
    })
}

fn bind(event: &Event, arguments: TokenStream, function: &ItemFn) -> Result<TokenStream, Error> {
    judge_signature(event, function)?;
    let verbs = verbs(event, arguments)?;
    let module = Ident::new(event.name, Span::call_site());
    let written = function.sig.inputs.len();
    let parameters = event.parameters.iter().enumerate().map(|(index, parameter)| {
        let prefix = if index < written { "" } else { "_" };
        let (name, owned) = (local(&format!("{prefix}{}", parameter.name)), &parameter.owned);
        quote!(#name: #owned)
    });
    let returns = &event.returns;
    let call = call(event, function);
    Ok(quote! {
        #function

        const _: () = {
            struct Sink;
            impl ::sluice_sdk::#module::Guest for Sink {
                #verbs
                fn handle(#(#parameters),*) -> #returns {
                    #call
                }
            }
            #[cfg(target_arch = "wasm32")]
            ::sluice_sdk::#module::bindings::export!(Sink with_types_in ::sluice_sdk::#module::bindings);
            // What is only exported would count as dead code.
            #[cfg(not(target_arch = "wasm32"))]
            const _: () = {
                let _ = <Sink as ::sluice_sdk::#module::Guest>::handle;
            };
        };
    })
}

/// `check(&recipient, &parameters)`, where a wrong type is reported at the handler's own parameter or return type.
fn call(event: &Event, function: &ItemFn) -> TokenStream {
    let handler = &function.sig.ident;
    let values = event.parameters.iter().zip(&function.sig.inputs).map(|(parameter, written)| {
        let name = local(parameter.name);
        match parameter.lent {
            Lent::Whole => quote_spanned!(ours_at(written.span())=> &#name),
            Lent::Copied => quote_spanned!(ours_at(written.span())=> #name),
            Lent::Inside => quote_spanned!(ours_at(written.span())=> #name.as_ref()),
        }
    });
    let call = quote_spanned!(ours_at(handler.span())=> #handler(#(#values),*));
    let span = match &function.sig.output {
        ReturnType::Default => handler.span(),
        ReturnType::Type(_, written) => written.span(),
    };
    let converts = &event.converts;
    quote_spanned!(ours_at(span)=> ::sluice_sdk::__private::#converts(#call))
}

/// A name that no handler's name can be taken for: `fn reply(verb: &str, reply: &Reply)` is a handler like any other.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Errors show the author's line, yet lints know that the author did not write it.
fn ours_at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

fn judge_signature(event: &Event, function: &ItemFn) -> Result<(), Error> {
    let signature = &function.sig;
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new(
            asyncness.span(),
            "a handler is a plain function: the host's functions block",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(
            signature.generics.span(),
            "a handler has no generic parameters: the host calls it",
        ));
    }
    let Some(surplus) = signature.inputs.iter().nth(event.parameters.len()) else { return Ok(()) };
    let known =
        event.parameters.iter().map(|parameter| format!("{}: {}", parameter.name, parameter.borrowed));
    let known = known.collect::<Vec<_>>().join(", ");
    let sentence = match event.parameters.len() {
        0 => format!("a handler of {} has no parameters", event.name),
        _ => {
            format!("a handler of {} has the parameters ({known}); trailing ones may be left out", event.name)
        }
    };
    Err(Error::new(surplus.span(), sentence))
}

/// `fn verbs()` where the event has it: the host asks once, so an event that concerns other verbs costs nothing.
fn verbs(event: &Event, arguments: TokenStream) -> Result<TokenStream, Error> {
    if event.verbs == Verbs::None {
        if arguments.is_empty() {
            return Ok(quote!());
        }
        return Err(Error::new(arguments.span(), format!("#[{}] takes no arguments", event.name)));
    }
    let parser = Punctuated::<LitStr, Token![,]>::parse_terminated;
    let verbs = syn::parse::Parser::parse2(parser, arguments)?;
    let verbs = verbs.iter().map(|verb| verb.value().to_ascii_uppercase());
    let name =
        Ident::new(if event.verbs == Verbs::Mechanisms { "mechanisms" } else { "verbs" }, Span::call_site());
    Ok(quote! {
        fn #name() -> ::std::vec::Vec<::std::string::String> {
            const NAMES: &[&str] = &[#(#verbs),*];
            NAMES.iter().map(::std::string::ToString::to_string).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    fn check(event: &Event, arguments: TokenStream, function: TokenStream, expected: &str) {
        let expanded = expand(event, arguments, function).to_string();
        assert!(expanded.contains(expected), "{expanded}");
    }

    #[test]
    fn trailing_parameters_may_be_left_out() {
        let function = quote!(
            fn check(who: &Address) {}
        );
        check(&event::on_rcpt_to(), quote!(), function, "check (& recipient)");
    }

    #[test]
    fn what_may_be_absent_is_lent_from_the_inside() {
        let function = quote!(
            fn look(route: Option<&Route>) {}
        );
        check(&event::on_routed(), quote!(), function, "look (route . as_ref ())");
    }

    #[test]
    fn a_surplus_parameter_is_answered_with_the_list_of_the_known_ones() {
        let function = quote!(
            fn check(a: &str, b: &str, c: &str) {}
        );
        check(&event::on_helo(), quote!(), function, "(greeting: &str, name: &str)");
    }

    #[test]
    fn an_async_handler_is_refused() {
        check(
            &event::on_data(),
            quote!(),
            quote!(
                async fn check() {}
            ),
            "compile_error",
        );
    }

    #[test]
    fn verbs_are_listed_in_upper_case() {
        let function = quote!(
            fn check(verb: &str) -> Answer {}
        );
        check(&event::on_inbound_command(), quote!("xask"), function, "\"XASK\"");
    }

    #[test]
    fn arguments_are_refused_where_the_event_has_no_verbs() {
        check(
            &event::on_connect(),
            quote!("xask"),
            quote!(
                fn check() {}
            ),
            "takes no arguments",
        );
    }
}
