#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <tsl/robin_map.h>

#include "core/destination_name.h"

namespace stampede::core {

// PatternTrie finds the patterns that match a destination. One node for each level; a walk follows
// at most the literal child and the `*` child of each node, so its cost depends on the depth and on
// how many patterns share the name's beginning, not on how many patterns there are.
//
// Owns:      its nodes and values; a node without value and children is removed.
// Thread:    the shard that owns it.
// Lifetime:  a Value* holds until erase() of the same pattern.
template <typename Value>
class PatternTrie {
 public:
  // The seed keys the hashes of the nodes' tables.
  explicit PatternTrie(uint64_t seed) : root_(seed) {}

  // The value of exactly this pattern text, made if it is not there. Patterns that mean the same
  // but are written differently ("a.*", "a/*") share a value.
  Value& insert(std::string_view pattern) {
    split_levels(pattern, levels_);
    Node* node = &root_;
    for (std::string_view level : levels_) {
      std::unique_ptr<Node>& child = node->child_slot(level);
      if (child == nullptr) child = std::make_unique<Node>(root_.literals.hash_function().seed);
      node = child.get();
    }
    if (node->value == nullptr) {
      node->value = std::make_unique<Value>();
      ++size_;
    }
    return *node->value;
  }

  [[nodiscard]] Value* find(std::string_view pattern) {
    split_levels(pattern, levels_);
    Node* node = &root_;
    for (std::string_view level : levels_) {
      node = node->child(level);
      if (node == nullptr) return nullptr;
    }
    return node->value.get();
  }

  void erase(std::string_view pattern) {
    split_levels(pattern, levels_);
    if (erase_below(root_, 0)) --size_;
  }

  // Calls visit(Value&) once for each pattern that matches the name: none if it is not open to
  // patterns.
  template <typename Visit>
  void match(std::string_view name, Visit&& visit) {
    if (size_ == 0 || !is_open_to_patterns(name)) return;
    split_levels(name, levels_);
    match_below(root_, 0, visit);
  }

  // Calls visit(const Value&) for each pattern.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for_each_below(root_, visit);
  }

  [[nodiscard]] size_t size() const { return size_; }

 private:
  struct HashLevel {
    using is_transparent = void;
    uint64_t seed;
    size_t operator()(std::string_view level) const { return hash_text(level, seed); }
  };

  struct Node {
    explicit Node(uint64_t seed) : literals(0, HashLevel{seed}) {}

    std::unique_ptr<Value> value;
    std::unique_ptr<Node> any;   // `*`
    std::unique_ptr<Node> rest;  // `#`, `>`, `**`: always a leaf
    tsl::robin_map<std::string, std::unique_ptr<Node>, HashLevel, std::equal_to<>> literals;

    std::unique_ptr<Node>& child_slot(std::string_view level) {
      if (is_any_level(level)) return any;
      if (is_rest(level)) return rest;
      return literals[std::string(level)];
    }
    [[nodiscard]] Node* child(std::string_view level) const {
      if (is_any_level(level)) return any.get();
      if (is_rest(level)) return rest.get();
      return literal(level);
    }
    [[nodiscard]] Node* literal(std::string_view level) const {
      const auto found = literals.find(level);
      return found == literals.end() ? nullptr : found->second.get();
    }
    [[nodiscard]] bool is_empty() const {
      return value == nullptr && any == nullptr && rest == nullptr && literals.empty();
    }
  };

  // The depth is bounded by --max-destination-levels, hence the recursion.
  template <typename Visit>
  void match_below(const Node& node, size_t depth, Visit& visit) {
    if (node.rest != nullptr) visit(*node.rest->value);
    if (depth == levels_.size()) {
      if (node.value != nullptr) visit(*node.value);
      return;
    }
    if (node.any != nullptr) match_below(*node.any, depth + 1, visit);
    if (const Node* child = node.literal(levels_[depth])) match_below(*child, depth + 1, visit);
  }

  template <typename Visit>
  static void for_each_below(const Node& node, Visit& visit) {
    if (node.value != nullptr) visit(std::as_const(*node.value));
    if (node.any != nullptr) for_each_below(*node.any, visit);
    if (node.rest != nullptr) for_each_below(*node.rest, visit);
    for (const auto& [level, child] : node.literals) for_each_below(*child, visit);
  }

  bool erase_below(Node& node, size_t depth) {
    if (depth == levels_.size()) {
      const bool was_there = node.value != nullptr;
      node.value.reset();
      return was_there;
    }
    const std::string_view level = levels_[depth];
    Node* child = node.child(level);
    if (child == nullptr) return false;
    const bool erased = erase_below(*child, depth + 1);
    if (child->is_empty()) {
      if (is_any_level(level) || is_rest(level)) {
        node.child_slot(level).reset();
      } else {
        node.literals.erase(node.literals.find(level));
      }
    }
    return erased;
  }

  Node root_;
  size_t size_ = 0;
  DestinationLevels levels_;  // kept for its capacity
};

}  // namespace stampede::core
