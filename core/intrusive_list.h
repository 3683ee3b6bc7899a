#pragma once

#include "proto/base/check.h"

namespace stampede::core {

// A place in one list. An element may carry several, one for each list that it can be in.
template <typename T>
struct ListLink {
  T* previous = nullptr;
  T* next = nullptr;
};

// IntrusiveList is a doubly linked list through a ListLink member of its elements: no allocation,
// removal in O(1) from the middle. It owns nothing. Who puts an element in must know that it is in
// no other list by the same link.
template <typename T, ListLink<T> T::*kLink>
class IntrusiveList {
 public:
  [[nodiscard]] bool empty() const { return front_ == nullptr; }
  [[nodiscard]] T* front() const { return front_; }
  [[nodiscard]] static T* next(const T& element) { return (element.*kLink).next; }

  void push_back(T& element) {
    ListLink<T>& link = element.*kLink;
    link.previous = back_;
    link.next = nullptr;
    if (back_ != nullptr) {
      (back_->*kLink).next = &element;
    } else {
      front_ = &element;
    }
    back_ = &element;
  }

  void remove(T& element) {
    ListLink<T>& link = element.*kLink;
    if (link.previous != nullptr) {
      (link.previous->*kLink).next = link.next;
    } else {
      DCHECK(front_ == &element);
      front_ = link.next;
    }
    if (link.next != nullptr) {
      (link.next->*kLink).previous = link.previous;
    } else {
      DCHECK(back_ == &element);
      back_ = link.previous;
    }
    link = {};
  }

  T* pop_front() {
    T* element = front_;
    if (element != nullptr) remove(*element);
    return element;
  }

  // Appends all of `other`, which is empty then. O(1).
  void splice_back(IntrusiveList& other) {
    if (other.empty()) return;
    if (back_ != nullptr) {
      (back_->*kLink).next = other.front_;
      (other.front_->*kLink).previous = back_;
    } else {
      front_ = other.front_;
    }
    back_ = other.back_;
    other.front_ = other.back_ = nullptr;
  }

 private:
  T* front_ = nullptr;
  T* back_ = nullptr;
};

}  // namespace stampede::core
