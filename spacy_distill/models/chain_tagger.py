"""The model of both components: an embedding, an encoder and a head, which the config selects."""

from typing import Callable, List, Optional, Tuple, Union

from spacy.tokens import Doc
from thinc.api import Maxout, Model, NumpyOps, chain, with_array, with_list
from thinc.types import Floats2d, Ragged

from ..chain import LinearChain
from .chain_head import resize
from .dropout import dropout
from .inference import EncoderShim, Parts, offers_inference


def ChainTagger(
    embed: Union[Model[List[Doc], Ragged], Model[List[Doc], List[Floats2d]]],
    head: Model[Ragged, LinearChain],
    encode: Optional[Model] = None,
    variational_dropout: bool = False,
) -> Model[List[Doc], LinearChain]:
    """Build a tagger whose output is a linear chain over BILUO tags. The default of `ner_student`
    is the LSTM-CNN-CRF of Ma and Hovy (2016), the compact model of Izsak, Guskin, Wasserblat
    (2019).

    embed (Model): Computes a vector per token: `spacy-distill.WordEmbedding.v1`, a tok2vec of
        spaCy, or a listener to a `tok2vec` or `transformer` component.
    head (Model): `spacy-distill.CRF.v1` or `spacy-distill.Softmax.v1`.
    encode (Optional[Model]): Adds context to the token vectors: `spacy-distill.BiLSTM.v1`, or any
        encoder from lists of arrays to lists of arrays, such as `spacy.MaxoutWindowEncoder.v2`. The
        embedding is projected to the width of the latter. Null if `embed` has context already.
    variational_dropout (bool): Whether dropout sets the same columns to zero in all tokens of a
        document (Gal, Ghahramani 2016). By default each token has its own.
    RETURNS (Model[List[Doc], LinearChain]): From documents to a chain.
    """
    layers: List[Model] = [with_ragged_output(embed), dropout()]
    if encode is not None and offers_inference(encode):
        layers += [encode, dropout()]
    elif encode is not None:
        # An encoder in the form of spaCy's: lists of arrays, with input and output of one width.
        width = encode.maybe_get_dim("nI") or encode.maybe_get_dim("nO")
        if width and width != embed.maybe_get_dim("nO"):
            layers += [with_array(Maxout(width, nP=3, normalize=True)), dropout()]
        layers += [with_list(encode), dropout()]
    tokens: Model[List[Doc], Ragged] = Model(
        "encoded_tokens", forward, init=init, layers=[chain(*layers)], shims=[EncoderShim()]
    )
    for node in tokens.walk():
        if "variational" in node.attrs:
            node.attrs["variational"] = variational_dropout
    model = chain(tokens, head)
    model.set_ref("output_layer", head)
    model.attrs["resize_output"] = resize_output
    return model


def resize_output(model: Model[List[Doc], LinearChain], nL: int) -> Model:
    """Change the number of labels of a tagger's head (`chain_head.resize`)."""
    resize(model.get_ref("output_layer"), nL)
    return model


def is_listening(model: Model) -> bool:
    """RETURNS (bool): Whether a model reads the output of another component."""
    # Only the listeners of spaCy and of spacy-transformers have this attribute.
    return any(hasattr(node, "upstream_name") for node in model.walk())


def forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    # `inference.py` computes the same values as the Thinc layers, but faster. It has no backward
    # pass and runs on CPUs only.
    if is_train or not isinstance(model.ops, NumpyOps) or not any(len(doc) for doc in docs):
        return model.layers[0](docs, is_train)
    encoder = model.shims[0].encoder(parts(model), docs[0].vocab)
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    return Ragged(encoder.encode(docs), lengths), no_backprop


def parts(model: Model[List[Doc], Ragged]) -> Parts:
    """RETURNS (Parts): The parts of the tagger below the head. They are found by their positions,
    because Thinc's `Model.copy` does not copy references."""
    embed, *others = model.layers[0].layers[::2]
    encode = others.pop() if others else None
    if encode is not None and not offers_inference(encode):
        encode = encode.layers[0]
    return Parts(embed.layers[0], others[0] if others else None, encode)


def no_backprop(d_output: Ragged) -> List[Doc]:
    raise ValueError(
        "[D805] `predict` has no backward pass. Call the model's `begin_update` instead."
    )


def init(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    model.layers[0].initialize(X=X, Y=Y)
    model.shims[0].clear()


def with_ragged_output(
    embed: Union[Model[List[Doc], Ragged], Model[List[Doc], List[Floats2d]]],
) -> Model[List[Doc], Ragged]:
    """Wrap an embedding so that its output is `Ragged`, also if it returns a list of arrays."""
    return Model("with_ragged_output", forward_ragged, init=init_ragged, layers=[embed])


def forward_ragged(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    Y, backprop = model.layers[0](docs, is_train)
    if isinstance(Y, Ragged):
        return Y, backprop
    lengths = model.ops.asarray1i([len(rows) for rows in Y])

    def backprop_list(dY: Ragged) -> List[Doc]:
        return backprop(model.ops.unflatten(dY.dataXd, dY.lengths))

    return Ragged(model.ops.flatten(Y), lengths), backprop_list


def init_ragged(model: Model[List[Doc], Ragged], X=None, Y=None) -> None:
    model.layers[0].initialize(X=X)
