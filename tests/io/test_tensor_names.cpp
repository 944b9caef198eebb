#include <string>
#include <vector>

#include "../catch.hpp"

#include <rwkv/checkpoint/tensor_names.hpp>

using rwkv::checkpoint::parse_tensor_name;
using rwkv::checkpoint::TensorNameKind;

TEST_CASE("the names of RWKV-4 tensors in either spelling", "[tensor_names]") {
    // BlinkDL's, Hugging Face's without its prefix.
    const std::vector<std::pair<std::string, std::string>> names{
        {"emb.weight", "embeddings.weight"},
        {"ln_out.weight", "ln_out.weight"},
        {"ln_out.bias", "ln_out.bias"},
        {"blocks.0.ln0.weight", "blocks.0.pre_ln.weight"},
        {"blocks.0.ln0.bias", "blocks.0.pre_ln.bias"},
        {"blocks.11.ln1.weight", "blocks.11.ln1.weight"},
        {"blocks.11.ln1.bias", "blocks.11.ln1.bias"},
        {"blocks.11.ln2.weight", "blocks.11.ln2.weight"},
        {"blocks.11.ln2.bias", "blocks.11.ln2.bias"},
        {"blocks.3.att.time_decay", "blocks.3.attention.time_decay"},
        {"blocks.3.att.time_first", "blocks.3.attention.time_first"},
        {"blocks.3.att.time_mix_k", "blocks.3.attention.time_mix_key"},
        {"blocks.3.att.time_mix_v", "blocks.3.attention.time_mix_value"},
        {"blocks.3.att.time_mix_r", "blocks.3.attention.time_mix_receptance"},
        {"blocks.3.att.key.weight", "blocks.3.attention.key.weight"},
        {"blocks.3.att.value.weight", "blocks.3.attention.value.weight"},
        {"blocks.3.att.receptance.weight", "blocks.3.attention.receptance.weight"},
        {"blocks.3.att.output.weight", "blocks.3.attention.output.weight"},
        {"blocks.3.ffn.time_mix_k", "blocks.3.feed_forward.time_mix_key"},
        {"blocks.3.ffn.time_mix_r", "blocks.3.feed_forward.time_mix_receptance"},
        {"blocks.3.ffn.key.weight", "blocks.3.feed_forward.key.weight"},
        {"blocks.3.ffn.receptance.weight", "blocks.3.feed_forward.receptance.weight"},
        {"blocks.3.ffn.value.weight", "blocks.3.feed_forward.value.weight"},
    };
    for (const auto& [original, canonical] : names)
        for (const std::string& name : {original, canonical, "rwkv." + canonical}) {
            INFO(name);
            const auto found = parse_tensor_name(name);
            CHECK(found.kind == TensorNameKind::known);
            CHECK(found.canonical == canonical);
        }
    CHECK(parse_tensor_name("head.weight").canonical == "head.weight");
}

TEST_CASE("what wraps a model adds to its names", "[tensor_names]") {
    for (const std::string name :
         {"_orig_mod.rwkv.blocks.0.ln1.weight", "module.blocks.0.ln1.weight", "model.rwkv.blocks.0.ln1.weight",
          "module._orig_mod.module.blocks.0.ln1.weight", "_orig_mod.module.model.blocks.0.ln1.weight",
          "_forward_module.blocks.0.ln1.weight", "_fsdp_wrapped_module.rwkv.blocks.0._fsdp_wrapped_module.ln1.weight",
          "rwkv.blocks.0._checkpoint_wrapped_module._orig_mod.ln1.weight"}) {
        INFO(name);
        CHECK(parse_tensor_name(name).canonical == "blocks.0.ln1.weight");
    }
    CHECK(parse_tensor_name("_orig_mod.head.weight").canonical == "head.weight");
    CHECK(parse_tensor_name("module.blocks.0.att.r_k").architecture == "RWKV-7");
    for (const std::string name :
         {"my_orig_mod.ln_out.weight", "modules.ln_out.weight", "blocks.module.0.ln1.weight"}) {
        INFO(name);
        CHECK(parse_tensor_name(name).kind != TensorNameKind::known);
    }
}

TEST_CASE("tensors of adapters, and of weights that others quantize", "[tensor_names]") {
    for (const std::string name : {"base_model.model.rwkv.blocks.0.attention.key.lora_A.weight",
                                   "base_model.model.rwkv.blocks.0.attention.key.base_layer.weight",
                                   "blocks.0.att.key.lora_B", "base_model.model.rwkv.embeddings.lora_embedding_A",
                                   "base_model.model.rwkv.blocks.0.attention.key.lora_magnitude_vector"}) {
        INFO(name);
        CHECK(parse_tensor_name(name).kind == TensorNameKind::adapter);
    }
    const std::string key = "rwkv.blocks.0.attention.key.";
    for (const auto& [name, quantizer] : std::vector<std::pair<std::string, std::string>>{
             {key + "weight.absmax", "bitsandbytes"},
             {key + "weight.quant_state.bitsandbytes__nf4", "bitsandbytes"},
             {key + "SCB", "bitsandbytes"},
             {key + "qweight", "GPTQ or AWQ"},
             {"blocks.0.att.key.weight_mx", "the package rwkv (of ChatRWKV)"}}) {
        INFO(name);
        CHECK(parse_tensor_name(name).kind == TensorNameKind::quantized);
        CHECK(parse_tensor_name(name).architecture == quantizer);
    }
    CHECK(parse_tensor_name("other.absmax").kind == TensorNameKind::unknown);
}

TEST_CASE("names like those of the model that RWKV-4 does not have", "[tensor_names]") {
    const std::vector<std::pair<std::string, std::string>> names{
        {"blocks.5.tiny_ln.weight", "RWKV-4a or 4b"},
        {"blocks.5.tiny_q.weight", "RWKV-4a or 4b"},
        {"blocks.5.tiny_mask", "RWKV-4a or 4b"},
        {"blocks.0.pos_emb_x", "RWKV-4a or 4b"},
        {"blocks.0.ffnPre.key.weight", "RWKV-4a or 4b"},
        {"head_q.weight", "RWKV-4a or 4b"},
        {"copy_mask", "RWKV-4a or 4b"},
        {"blocks.5.att.qq.weight", "RWKV-4a or 4b"},
        {"blocks.5.att.oo.weight", "RWKV-4a or 4b"},
        {"blocks.5.att.time_mix_qq", "RWKV-4a or 4b"},
        {"blocks.0.att.time_state", "RWKV-5 or later (a tuned state)"},
        {"blocks.0.att.time_faaaa", "RWKV-5 or RWKV-6"},
        {"blocks.0.att.gate.weight", "RWKV-5 or RWKV-6"},
        {"rwkv.blocks.0.attention.gate.weight", "RWKV-5 or RWKV-6"},
        {"blocks.0.att.ln_x.weight", "RWKV-5 or later"},
        {"rwkv.blocks.0.attention.ln_x.bias", "RWKV-5 or later"},
        {"blocks.0.att.time_mix_g", "RWKV-5"},
        {"rwkv.blocks.0.attention.time_mix_gate", "RWKV-5"},
        {"blocks.0.att.time_maa_x", "RWKV-6"},
        {"blocks.0.ffn.time_maa_k", "RWKV-6"},
        {"blocks.0.att.time_decay_w1", "RWKV-6"},
        {"blocks.0.att.r_k", "RWKV-7"},
        {"blocks.0.att.x_g", "RWKV-7"},
        {"blocks.0.ffn.x_k", "RWKV-7"},
        {"blocks.0.att.w0", "RWKV-7"},
        {"blocks.0.att.key.bias", ""},
        {"blocks.0.ln3.weight", ""},
        {"blocks.0", ""},
        {"blocks.", ""},
        {"blocks.ln1.weight", ""},
        {"blocks..ln1.weight", ""},
        {"blocks.1.ln0.weight", ""},
        {"rwkv.blocks.1.pre_ln.weight", ""},
        {"blocks.01.ln1.weight", ""},
        {"blocks.-1.ln1.weight", ""},
        {"blocks.+1.ln1.weight", ""},
        {"blocks.1x.ln1.weight", ""},
        {"blocks.1234567.ln1.weight", ""},
        {"blocks.99999999999999999999.ln1.weight", ""},
        {"blocks.1.ln1.weight.x", ""},
        {"blocks.1.ln1.weightx", ""},
        {"rwkv.head.weight", ""},
        {"rwkv.", ""},
        {"rwkv.rwkv.ln_out.weight", ""},
        {"head.bias", ""},
        {"emb.bias", ""},
        {"att.key.weight", ""},
        {std::string("emb.weight\0", 11), ""},
    };
    for (const auto& [name, architecture] : names) {
        INFO(name);
        const auto found = parse_tensor_name(name);
        CHECK(found.kind == TensorNameKind::other_architecture);
        CHECK(found.canonical.empty());
        CHECK(found.architecture == architecture);
    }
}

TEST_CASE("names that have nothing to do with the model", "[tensor_names]") {
    for (const std::string name : {"", "optimizer.state", "model.layers.0.weight", "Emb.weight", " emb.weight",
                                   "block.0.ln1.weight", "x_r", "header.weight", "rwkvx.ln_out.weight"}) {
        INFO(name);
        CHECK(parse_tensor_name(name).kind == TensorNameKind::unknown);
    }
}
